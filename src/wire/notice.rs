//! What the world is told: the data of a notice, and the event that carries it.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Links;
use super::batch::{fault_of, warnings};
use super::fault::{error_object, raw, to_bytes};
use super::object::Object;
use crate::machine::Tidings;
use crate::model::{
    Batch, Notice, NoticeKind, ORGANIZATION, ProfileId, Target, TargetIx, Timestamp,
};

/// Room for nearly every notice of a post.
const NOTICE_BYTES: usize = 512;

/// The kind and the data of what is told of a post: the members of the contract, in its order; ours
/// come after. `at` is when it came to be.
pub fn post_notice(
    batch: &Batch,
    ix: TargetIx,
    tidings: &Tidings,
    at: Timestamp,
    links: &Links,
) -> Option<(NoticeKind, String)> {
    let target = batch.target(ix)?;
    let mut out = Vec::with_capacity(NOTICE_BYTES);
    let mut data = Object::begin(&mut out);
    data.spelled("id", target.post);
    data.word("platform", target.platform.as_str());
    data.spelled("accountId", target.account);
    data.spelled("profileId", target.profile);
    let kind = match tidings {
        Tidings::Queued => {
            data.spelled_if("scheduledAt", target.due);
            data.spelled("queuedAt", at);
            NoticeKind::PostQueued
        }
        Tidings::Published => {
            published(&mut data, target);
            NoticeKind::PostPublished
        }
        Tidings::Rejected | Tidings::Failed => {
            let error = fault_of(target).map(|it| error_object(it, &batch.request_id, links));
            data.value_if("error", error.as_ref());
            data.spelled("rejectedAt", at);
            match tidings {
                Tidings::Rejected => NoticeKind::PostRejected,
                _ => NoticeKind::PostFailed,
            }
        }
        Tidings::Canceled => {
            data.spelled_if("scheduledAt", target.due);
            data.spelled("canceledAt", at);
            NoticeKind::PostCanceled
        }
        Tidings::Rescheduled { before } => {
            data.spelled("previousScheduledAt", *before);
            data.spelled_if("scheduledAt", target.due);
            NoticeKind::PostRescheduled
        }
        Tidings::Updated { text, media } => {
            let named = [("text", *text), ("media", *media)];
            let changed = named.into_iter().filter(|(_, given)| *given);
            let changed: Vec<&str> = changed.map(|(name, _)| name).collect();
            data.value("changed", &changed);
            data.spelled_if("scheduledAt", target.due);
            NoticeKind::PostUpdated
        }
    };
    if super::post::is_sandbox(batch, target) {
        data.value("sandbox", &true);
    }
    data.spelled("batchId", batch.id);
    data.end();
    Some((kind, String::from_utf8(out).ok()?))
}

fn published(data: &mut Object<'_>, target: &Target) {
    if let Some(receipt) = &target.receipt {
        data.text_if("uri", receipt.uri.as_deref());
        data.text_if("cid", receipt.cid.as_deref());
        data.text_if("url", receipt.url.as_deref());
    }
    if let Some(comment) = &target.comment {
        data.text_if("firstCommentUri", comment.uri.as_deref());
        data.text_if("firstCommentCid", comment.cid.as_deref());
    }
    data.spelled_if("publishedAt", target.published_at);
    data.list_if("warnings", &warnings(&target.warnings));
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventBody {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    created_at: String,
    organization_id: &'static str,
    data: Box<RawValue>,
}

/// A notice as the event that is delivered and listed: the same bytes for everybody and always.
pub fn event_body(notice: &Notice) -> Vec<u8> {
    to_bytes(&event(notice))
}

/// A notice as a value, for lists.
pub fn event_value(notice: &Notice) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(&event(notice)).ok()
}

fn event(notice: &Notice) -> EventBody {
    EventBody {
        id: notice.id.to_string(),
        kind: notice.kind.as_str(),
        created_at: notice.at.to_string(),
        organization_id: ORGANIZATION,
        data: raw(&notice.data),
    }
}

/// The profile that a notice is about.
pub fn notice_profile(notice: &Notice) -> Option<ProfileId> {
    let data: Value = serde_json::from_str(&notice.data).ok()?;
    data["profileId"].as_str()?.parse().ok()
}

/// What a test delivery says: the members that a real notice of the kind has, about a post and an
/// account that are obviously not there.
pub fn sample_data(kind: NoticeKind, at: Timestamp) -> String {
    const POST: &str = "post_00000000000000000000000000";
    const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
    let now = at.to_string();
    let post = json!({
        "id": POST, "platform": "sandbox", "accountId": NOBODY, "profileId": NOBODY,
    });
    let account = json!({
        "platform": "sandbox", "accountId": NOBODY, "profileId": NOBODY,
        "platformAccountId": "nobody",
    });
    let fault = json!({
        "code": "platform_rejected", "message": "This is a test; nothing was published.",
        "platform": "sandbox",
    });
    let (base, more) = match kind {
        NoticeKind::PostQueued | NoticeKind::PostValidated => {
            (post, json!({ "scheduledAt": now, "queuedAt": now }))
        }
        NoticeKind::PostPublished => (post, json!({ "uri": "sandbox://test", "publishedAt": now })),
        NoticeKind::PostRejected | NoticeKind::PostFailed => {
            (post, json!({ "error": fault, "rejectedAt": now }))
        }
        NoticeKind::PostCanceled => (post, json!({ "scheduledAt": now, "canceledAt": now })),
        NoticeKind::PostRescheduled => {
            (post, json!({ "previousScheduledAt": now, "scheduledAt": now }))
        }
        NoticeKind::PostUpdated => (post, json!({ "changed": ["text"], "scheduledAt": now })),
        NoticeKind::TokenExpiring => {
            (account, json!({ "displayName": "nobody", "tokenExpiresAt": now }))
        }
        NoticeKind::TokenRevoked => (account, json!({ "reason": "This is a test." })),
        NoticeKind::VersionDeprecated => {
            (json!({ "platform": "sandbox" }), json!({ "version": "0", "sunsetAt": now }))
        }
        NoticeKind::SubscriptionActivated
        | NoticeKind::SubscriptionCancelled
        | NoticeKind::SubscriptionTierChanged
        | NoticeKind::QuotaWarning
        | NoticeKind::QuotaExceeded
        | NoticeKind::BillingPaymentFailed
        | NoticeKind::BillingDelinquent
        | NoticeKind::BillingRecovered => (json!({}), json!({})),
    };
    let (mut data, more) = match (base, more) {
        (Value::Object(base), Value::Object(more)) => (base, more),
        _ => return "{}".to_owned(),
    };
    data.extend(more);
    data.insert("sandbox".to_owned(), json!(true));
    Value::Object(data).to_string()
}
