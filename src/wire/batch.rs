//! The answer to `POST /v1/posts`, and a batch read back.

use serde::Serialize;

use super::fault::{ErrorObject, error_object, to_bytes};
use super::post::post_status;
use super::{Links, Reply};
use crate::model::{Batch, Cursor, Fault, Outcome, Target, Warning};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchBody<'a> {
    id: String,
    status: &'static str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<String>,
    results: Vec<ResultBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultBody<'a> {
    account_id: String,
    platform: &'static str,
    post_id: String,
    status: &'static str,
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
    #[serde(skip_serializing_if = "<[WarningBody]>::is_empty")]
    warnings: Vec<WarningBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

#[derive(Serialize)]
pub(super) struct WarningBody<'a> {
    code: &'a str,
    message: &'a str,
}

/// The answer to the request that created the batch, as the batch now stands: 200 when every
/// target has settled, else 202.
pub fn batch_reply(batch: &Batch, links: &Links) -> Reply {
    let settled = batch.is_settled();
    Reply { status: if settled { 200 } else { 202 }, body: batch_body(batch, links) }
}

/// The batch as it now stands.
pub fn batch_body(batch: &Batch, links: &Links) -> Vec<u8> {
    let status = batch_status(batch);
    let scheduled_at = batch.scheduled_at.filter(|_| status == "queued");
    to_bytes(&BatchBody {
        id: batch.id.to_string(),
        status,
        created_at: batch.created_at.to_string(),
        scheduled_at: scheduled_at.map(|at| at.to_string()),
        results: batch.targets.iter().map(|target| result(batch, target, links)).collect(),
    })
}

/// `published` when every target is; `failed` when none is; `partial_failed` in between; and
/// `queued` while any has not settled. A canceled target was not published.
fn batch_status(batch: &Batch) -> &'static str {
    if !batch.is_settled() {
        return "queued";
    }
    let published = |target: &&std::sync::Arc<Target>| {
        matches!(target.cursor, Cursor::Ended(Outcome::Published))
    };
    match batch.targets.iter().filter(published).count() {
        0 => "failed",
        count if count == batch.targets.len() => "published",
        _ => "partial_failed",
    }
}

fn result<'a>(batch: &Batch, target: &'a Target, links: &Links) -> ResultBody<'a> {
    let receipt = target.receipt.as_ref();
    let comment = target.comment.as_ref();
    let live = matches!(target.cursor, Cursor::Ended(Outcome::Published));
    let receipt = receipt.filter(|_| live);
    ResultBody {
        account_id: target.account.to_string(),
        platform: target.platform.as_str(),
        post_id: target.post.to_string(),
        status: post_status(target),
        uri: receipt.and_then(|receipt| receipt.uri.as_deref()),
        cid: receipt.and_then(|receipt| receipt.cid.as_deref()),
        url: receipt.and_then(|receipt| receipt.url.as_deref()),
        first_comment_uri: comment.and_then(|comment| comment.uri.as_deref()),
        first_comment_cid: comment.and_then(|comment| comment.cid.as_deref()),
        warnings: warnings(&target.warnings),
        error: fault_of(target).map(|fault| error(fault, batch, target, links)),
    }
}

/// What a target failed with. A batch that failed is kept under its key like any other, so the
/// request again is no way to try again; where that is worth it, the way is named.
fn error(fault: &Fault, batch: &Batch, target: &Target, links: &Links) -> ErrorObject {
    let object = error_object(fault, &batch.request_id, links);
    if !fault.retryable {
        return object;
    }
    let post = target.post;
    object.also(&format!(
        "To try this post again, POST /v1/posts/{post}/retry: the same request again under its \
         Idempotency-Key only repeats this answer."
    ))
}

/// Remarks, as they are written.
pub(super) fn warnings(warnings: &[Warning]) -> Vec<WarningBody<'_>> {
    warnings
        .iter()
        .map(|warning| WarningBody { code: &warning.code, message: &warning.message })
        .collect()
}

/// What a target that is not published failed with.
pub(super) fn fault_of(target: &Target) -> Option<&Fault> {
    match &target.cursor {
        Cursor::Ended(Outcome::Rejected(fault) | Outcome::Failed(fault))
        | Cursor::Held { fault, .. } => Some(fault),
        Cursor::Queued { .. }
        | Cursor::Ready { .. }
        | Cursor::Running(_)
        | Cursor::Waiting { .. }
        | Cursor::Doubtful { .. }
        | Cursor::Ended(Outcome::Published | Outcome::Canceled) => None,
    }
}
