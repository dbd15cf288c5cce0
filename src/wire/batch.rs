//! The answer to `POST /v1/posts`, and a batch read back.

use serde::Serialize;

use super::fault::{ErrorObject, error_object};
use super::object::{Object, write_list};
use super::post::post_status;
use super::{Links, Reply};
use crate::model::{Batch, Cursor, Fault, Outcome, Target, Warning};

/// Room for nearly every batch and for each of its results.
const BATCH_BYTES: usize = 256;
const RESULT_BYTES: usize = 384;

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
    let mut out = Vec::with_capacity(BATCH_BYTES + batch.targets.len() * RESULT_BYTES);
    let mut object = Object::begin(&mut out);
    object.spelled("id", batch.id);
    object.word("status", status);
    object.spelled("createdAt", batch.created_at);
    object.spelled_if("scheduledAt", scheduled_at);
    object.with("results", |out| {
        write_list(out, &batch.targets, |out, target| write_result(out, batch, target, links));
    });
    object.end();
    out
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

fn write_result(out: &mut Vec<u8>, batch: &Batch, target: &Target, links: &Links) {
    let live = matches!(target.cursor, Cursor::Ended(Outcome::Published));
    let receipt = target.receipt.as_ref().filter(|_| live);
    let comment = target.comment.as_ref();
    let error = fault_of(target).map(|fault| error(fault, batch, target, links));
    let mut result = Object::begin(out);
    result.spelled("accountId", target.account);
    result.word("platform", target.platform.as_str());
    result.spelled("postId", target.post);
    result.word("status", post_status(target));
    result.text_if("uri", receipt.and_then(|receipt| receipt.uri.as_deref()));
    result.text_if("cid", receipt.and_then(|receipt| receipt.cid.as_deref()));
    result.text_if("url", receipt.and_then(|receipt| receipt.url.as_deref()));
    result.text_if("firstCommentUri", comment.and_then(|comment| comment.uri.as_deref()));
    result.text_if("firstCommentCid", comment.and_then(|comment| comment.cid.as_deref()));
    result.list_if("warnings", &warnings(&target.warnings));
    result.value_if("error", error.as_ref());
    result.end();
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
