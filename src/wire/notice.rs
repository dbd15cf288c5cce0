//! What the world is told: the data of a notice, and the event that carries it.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Links;
use super::batch::{WarningBody, fault_of, warnings};
use super::fault::{ErrorObject, error_object, raw, to_bytes};
use crate::machine::Tidings;
use crate::model::{
    Batch, Notice, NoticeKind, ORGANIZATION, ProfileId, Target, TargetIx, Timestamp,
};

/// What a notice says of a post: the members of the contract, in its order; ours come after.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostData<'a> {
    id: String,
    platform: &'static str,
    account_id: String,
    profile_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_comment_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_comment_cid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<String>,
    #[serde(skip_serializing_if = "<[WarningBody]>::is_empty")]
    warnings: Vec<WarningBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_scheduled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canceled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<bool>,
    batch_id: String,
}

/// The kind and the data of what is told of a post; `at` is when it came to be.
pub fn post_notice(
    batch: &Batch,
    ix: TargetIx,
    tidings: &Tidings,
    at: Timestamp,
    links: &Links,
) -> Option<(NoticeKind, String)> {
    let target = batch.target(ix)?;
    let mut data = bare(batch, target);
    let scheduled_at = target.due.map(|due| due.to_string());
    let kind = match tidings {
        Tidings::Queued => {
            data.scheduled_at = scheduled_at;
            data.queued_at = Some(at.to_string());
            NoticeKind::PostQueued
        }
        Tidings::Published => {
            published(&mut data, target);
            NoticeKind::PostPublished
        }
        Tidings::Rejected | Tidings::Failed => {
            data.error =
                fault_of(target).map(|fault| error_object(fault, &batch.request_id, links));
            data.rejected_at = Some(at.to_string());
            match tidings {
                Tidings::Rejected => NoticeKind::PostRejected,
                _ => NoticeKind::PostFailed,
            }
        }
        Tidings::Canceled => {
            data.scheduled_at = scheduled_at;
            data.canceled_at = Some(at.to_string());
            NoticeKind::PostCanceled
        }
        Tidings::Rescheduled { before } => {
            data.previous_scheduled_at = Some(before.to_string());
            data.scheduled_at = scheduled_at;
            NoticeKind::PostRescheduled
        }
        Tidings::Updated { text, media } => {
            let named = [("text", *text), ("media", *media)];
            let changed = named.into_iter().filter(|(_, given)| *given);
            data.changed = Some(changed.map(|(name, _)| name).collect());
            data.scheduled_at = scheduled_at;
            NoticeKind::PostUpdated
        }
    };
    Some((kind, String::from_utf8(to_bytes(&data)).ok()?))
}

fn bare<'a>(batch: &Batch, target: &Target) -> PostData<'a> {
    let sandbox = super::post::is_sandbox(batch, target);
    PostData {
        id: target.post.to_string(),
        platform: target.platform.as_str(),
        account_id: target.account.to_string(),
        profile_id: target.profile.to_string(),
        uri: None,
        cid: None,
        url: None,
        first_comment_uri: None,
        first_comment_cid: None,
        published_at: None,
        warnings: Vec::new(),
        error: None,
        rejected_at: None,
        changed: None,
        previous_scheduled_at: None,
        scheduled_at: None,
        queued_at: None,
        canceled_at: None,
        sandbox: sandbox.then_some(true),
        batch_id: batch.id.to_string(),
    }
}

fn published<'a>(data: &mut PostData<'a>, target: &'a Target) {
    if let Some(receipt) = &target.receipt {
        data.uri = receipt.uri.as_deref();
        data.cid = receipt.cid.as_deref();
        data.url = receipt.url.as_deref();
    }
    if let Some(comment) = &target.comment {
        data.first_comment_uri = comment.uri.as_deref();
        data.first_comment_cid = comment.cid.as_deref();
    }
    data.published_at = target.published_at.map(|at| at.to_string());
    data.warnings = warnings(&target.warnings);
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
