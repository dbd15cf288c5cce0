//! One post, as reads and changes answer it.

use serde::Serialize;

use super::Links;
use super::attempts::AttemptView;
use super::batch::{WarningBody, fault_of, warnings};
use super::fault::{ErrorObject, error_object, to_bytes, write_to};
use crate::model::{
    Account, Batch, Cursor, MediaItem, MediaSource, Outcome, Platform, PostId, Target, TargetIx,
};

/// A post with the members of the contract, in its order; ours come after.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostBody<'a> {
    id: String,
    profile_id: String,
    account_id: Option<String>,
    account: Option<AccountBody<'a>>,
    platform: &'static str,
    status: &'static str,
    text: &'a str,
    media_refs: Vec<MediaBody<'a>>,
    scheduled_at: Option<String>,
    published_at: Option<String>,
    platform_uri: Option<&'a str>,
    platform_cid: Option<&'a str>,
    error: Option<ErrorObject>,
    sandbox: bool,
    created_at: String,
    updated_at: String,
    batch_id: String,
    url: Option<&'a str>,
    first_comment_uri: Option<&'a str>,
    lateness_ms: Option<u64>,
    warnings: Vec<WarningBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<&'a [AttemptView]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountBody<'a> {
    id: String,
    platform: &'static str,
    platform_account_id: &'a str,
    display_name: Option<&'a str>,
}

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

/// One post. `account` is `None` when it was removed; `attempts` stand on single reads only.
pub fn post_body(
    batch: &Batch,
    ix: TargetIx,
    account: Option<&Account>,
    attempts: Option<&[AttemptView]>,
    links: &Links,
) -> Vec<u8> {
    batch
        .target(ix)
        .map_or_else(Vec::new, |target| to_bytes(&body(batch, target, account, attempts, links)))
}

/// Writes one post of a list at the end of `out`; false when the batch has no such target.
pub(super) fn write_post(
    out: &mut Vec<u8>,
    batch: &Batch,
    ix: TargetIx,
    account: Option<&Account>,
    links: &Links,
) -> bool {
    let target = batch.target(ix);
    if let Some(target) = target {
        write_to(out, &body(batch, target, account, None, links));
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

fn body<'a>(
    batch: &'a Batch,
    target: &'a Target,
    account: Option<&'a Account>,
    attempts: Option<&'a [AttemptView]>,
    links: &Links,
) -> PostBody<'a> {
    let content = batch.content_of(target);
    let live = matches!(target.cursor, Cursor::Ended(Outcome::Published));
    let receipt = target.receipt.as_ref().filter(|_| live);
    PostBody {
        id: target.post.to_string(),
        profile_id: target.profile.to_string(),
        account_id: account.map(|account| account.id.to_string()),
        account: account.map(|account| AccountBody {
            id: account.id.to_string(),
            platform: account.platform.as_str(),
            platform_account_id: &account.platform_account_id,
            display_name: account.display_name.as_deref(),
        }),
        platform: target.platform.as_str(),
        status: post_status(target),
        text: &content.text,
        media_refs: content.media.iter().map(media).collect(),
        scheduled_at: target.due.map(|at| at.to_string()),
        published_at: target.published_at.map(|at| at.to_string()),
        platform_uri: receipt.and_then(|receipt| receipt.uri.as_deref()),
        platform_cid: receipt.and_then(|receipt| receipt.cid.as_deref()),
        error: fault_of(target).map(|fault| error_object(fault, &batch.request_id, links)),
        sandbox: is_sandbox(batch, target),
        created_at: batch.created_at.to_string(),
        updated_at: target.updated_at.to_string(),
        batch_id: batch.id.to_string(),
        url: receipt.and_then(|receipt| receipt.url.as_deref()),
        first_comment_uri: target.comment.as_ref().and_then(|comment| comment.uri.as_deref()),
        lateness_ms: target.lateness.map(|span| span.0),
        warnings: warnings(&target.warnings),
        attempts,
    }
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
