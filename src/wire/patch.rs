//! The body of `PATCH /v1/posts/:id`.

use serde_json::Value;

use super::issues::{Walk, parse_json};
use super::media::{RequestMedia, media_list};
use super::schedule::time;
use super::target::text;
use crate::model::{Fault, Timestamp, Warning};

/// A change to a queued post; at least one member is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchRequest {
    /// Another time.
    pub scheduled_at: Option<Timestamp>,
    /// Another text.
    pub text: Option<String>,
    /// Other media; an empty list clears them.
    pub media: Option<Vec<RequestMedia>>,
    /// Remarks on what was ignored.
    pub warnings: Vec<Warning>,
}

/// Reads the body of `PATCH /v1/posts/:id`.
///
/// # Errors
/// `validation_failed`, rule `body` when it changes nothing.
pub fn parse_patch(body: &[u8]) -> Result<PatchRequest, Fault> {
    let value = parse_json(body).map_err(|fault| match fault.rule.as_deref() {
        Some("body.json") => fault.rule("body"),
        _ => fault,
    })?;
    let mut walk = Walk::default();
    let read = patch(&mut walk, &value);
    let (patch, warnings) = walk.finish(read)?;
    Ok(PatchRequest { warnings, ..patch })
}

fn patch(walk: &mut Walk, value: &Value) -> Option<PatchRequest> {
    let object = walk.object(value)?;
    let before = walk.count();
    let scheduled_at = walk.optional(object, "scheduledAt", time);
    let text = walk.optional(object, "text", text);
    let media = walk.optional(object, "media", media_list);
    walk.unknown(object, &["scheduledAt", "text", "media"]);
    if walk.count() > before {
        return None;
    }
    if scheduled_at.is_none() && text.is_none() && media.is_none() {
        walk.issue("custom", "give at least one of scheduledAt, text and media to change");
        return None;
    }
    Some(PatchRequest { scheduled_at, text, media, warnings: Vec::new() })
}
