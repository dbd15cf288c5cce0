//! The body of `POST /v1/posts/:id/retry`.

use serde_json::Value;

use super::issues::{Walk, parse_json};
use super::schedule::time;
use crate::model::{Fault, Timestamp};

/// How a post is to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryRequest {
    /// When; as soon as may be if it is left out.
    pub scheduled_at: Option<Timestamp>,
    /// Whether it is accepted that the post may be live already.
    pub force: bool,
}

/// Reads the body of `POST /v1/posts/:id/retry`. No body is an empty object.
///
/// # Errors
/// `validation_failed`, with the place of the first problem as its rule.
pub fn parse_retry(body: &[u8]) -> Result<RetryRequest, Fault> {
    if body.trim_ascii().is_empty() {
        return Ok(RetryRequest::default());
    }
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read = retry(&mut walk, &value);
    walk.finish(read).map(|(read, _)| read)
}

fn retry(walk: &mut Walk, value: &Value) -> Option<RetryRequest> {
    let object = walk.object(value)?;
    let before = walk.count();
    let scheduled_at = walk.optional(object, "scheduledAt", time);
    let force = walk.optional(object, "force", Walk::boolean).unwrap_or(false);
    (walk.count() == before).then_some(RetryRequest { scheduled_at, force })
}
