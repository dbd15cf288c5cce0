//! One post, as reads and changes answer it.

use serde::Serialize;

use super::Links;
use super::attempts::AttemptView;
use super::batch::{fault_of, warnings};
use super::fault::{error_object, to_bytes, write_to};
use super::object::{Object, write_list};
use crate::model::{
    Account, Batch, Cursor, MediaItem, MediaSource, Outcome, Platform, PostId, Spell, Target,
    TargetIx,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MediaBody<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alt_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_base64: Option<&'static str>,
}

/// Room for nearly every post, so that it is seldom moved while it is written.
pub(super) const POST_BYTES: usize = 1_024;

/// Whether a post goes to no platform but our own.
pub(super) fn is_sandbox(batch: &Batch, target: &Target) -> bool {
    batch.test || target.platform == Platform::Sandbox
}

/// A target's status on the wire. Between two attempts a scheduled post is `validated`.
pub fn post_status(target: &Target) -> &'static str {
    let scheduled = target.due.is_some();
    match &target.cursor {
        Cursor::Queued { .. } => "queued",
        Cursor::Waiting { .. } if scheduled => "validated",
        Cursor::Ready { .. }
        | Cursor::Running(_)
        | Cursor::Waiting { .. }
        | Cursor::Doubtful { .. } => "publishing",
        Cursor::Held { .. } | Cursor::Ended(Outcome::Failed(_)) => "failed",
        Cursor::Ended(Outcome::Published) => "published",
        Cursor::Ended(Outcome::Rejected(_)) => "rejected",
        Cursor::Ended(Outcome::Canceled) => "canceled",
    }
}

/// What a post says of its account. The posts of a list are on few accounts, so it is written once
/// for all of them.
#[derive(Debug)]
pub struct AccountWords(Vec<u8>);

impl AccountWords {
    /// Of an account; `None` when it was removed.
    pub fn of(account: Option<&Account>) -> Self {
        let Some(account) = account else {
            return Self(br#""accountId":null,"account":null"#.to_vec());
        };
        let mut out = br#""accountId":""#.to_vec();
        account.id.spell(&mut out);
        out.extend_from_slice(br#"","#);
        write_account(&mut out, account);
        Self(out)
    }
}

/// One post. `account` is `None` when it was removed; `attempts` stand on single reads only.
pub fn post_body(
    batch: &Batch,
    ix: TargetIx,
    account: Option<&Account>,
    attempts: Option<&[AttemptView]>,
    links: &Links,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(POST_BYTES);
    if let Some(target) = batch.target(ix) {
        write_body(&mut out, (batch, target), &AccountWords::of(account), attempts, links);
    }
    out
}

/// Writes one post of a list at the end of `out`; false when the batch has no such target.
pub(super) fn write_post(
    out: &mut Vec<u8>,
    batch: &Batch,
    ix: TargetIx,
    account: &AccountWords,
    links: &Links,
) -> bool {
    let target = batch.target(ix);
    if let Some(target) = target {
        write_body(out, (batch, target), account, None, links);
    }
    target.is_some()
}

/// The answer to a cancel.
pub fn cancel_body(post: PostId) -> Vec<u8> {
    to_bytes(&serde_json::json!({ "id": post.to_string(), "status": "canceled" }))
}

/// The answer to a retry.
pub fn retry_body(target: &Target) -> Vec<u8> {
    to_bytes(&serde_json::json!({
        "id": target.post.to_string(),
        "status": post_status(target),
        "scheduledAt": target.due.map(|due| due.to_string()),
    }))
}

/// A post with the members of the contract, in its order; ours come after.
fn write_body(
    out: &mut Vec<u8>,
    (batch, target): (&Batch, &Target),
    account: &AccountWords,
    attempts: Option<&[AttemptView]>,
    links: &Links,
) {
    let content = batch.content_of(target);
    let live = matches!(target.cursor, Cursor::Ended(Outcome::Published));
    let receipt = target.receipt.as_ref().filter(|_| live);
    let error = fault_of(target).map(|fault| error_object(fault, &batch.request_id, links));
    let comment = target.comment.as_ref();
    let mut post = Object::begin(out);
    post.spelled("id", target.post);
    post.spelled("profileId", target.profile);
    post.written(&account.0);
    post.word("platform", target.platform.as_str());
    post.word("status", post_status(target));
    post.text("text", &content.text);
    post.with("mediaRefs", |out| {
        write_list(out, &content.media, |out, item| write_to(out, &media(item)));
    });
    post.spelled_or_null("scheduledAt", target.due);
    post.spelled_or_null("publishedAt", target.published_at);
    post.text_or_null("platformUri", receipt.and_then(|receipt| receipt.uri.as_deref()));
    post.text_or_null("platformCid", receipt.and_then(|receipt| receipt.cid.as_deref()));
    post.value_or_null("error", error.as_ref());
    post.flag("sandbox", is_sandbox(batch, target));
    post.spelled("createdAt", batch.created_at);
    post.spelled("updatedAt", target.updated_at);
    post.spelled("batchId", batch.id);
    post.text_or_null("url", receipt.and_then(|receipt| receipt.url.as_deref()));
    post.text_or_null("firstCommentUri", comment.and_then(|comment| comment.uri.as_deref()));
    post.value_or_null("latenessMs", target.lateness.map(|span| span.0).as_ref());
    post.value("warnings", &warnings(&target.warnings));
    post.value_if("attempts", attempts.as_ref());
    post.end();
}

fn write_account(out: &mut Vec<u8>, account: &Account) {
    out.extend_from_slice(b"\"account\":");
    let mut object = Object::begin(out);
    object.spelled("id", account.id);
    object.word("platform", account.platform.as_str());
    object.text("platformAccountId", &account.platform_account_id);
    object.text_or_null("displayName", account.display_name.as_deref());
    object.end();
}

fn media(item: &MediaItem) -> MediaBody<'_> {
    let (media_id, url, inline) = match &item.source {
        MediaSource::Upload(id) => (Some(id.as_str()), None, None),
        MediaSource::Url(url) => (None, Some(url.as_str()), None),
        MediaSource::Inline(_) => (None, None, Some("<omitted>")),
    };
    MediaBody {
        kind: item.kind.as_str(),
        alt_text: item.alt_text.as_deref(),
        media_id,
        url,
        bytes_base64: inline,
    }
}
