//! The body of `POST /v1/posts`.

use serde_json::{Map, Value};

use super::issues::{Walk, parse_json};
use super::media::{RequestMedia, media_list};
use super::options::{PlatformOptions, options};
use super::target::{TargetRequest, first_comment, target, text};
use crate::model::{Fault, ProfileId, TARGETS_MAX, TimeError, Timestamp, Warning};

/// A request to publish, sound in shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest {
    /// Its targets, 1 to 25.
    pub targets: Vec<TargetRequest>,
    /// The text of targets without their own.
    pub text: Option<String>,
    /// The media of targets without their own.
    pub media: Option<Vec<RequestMedia>>,
    /// The first comment of targets without their own.
    pub first_comment: Option<String>,
    /// The options of targets without their own, by platform.
    pub options: Vec<PlatformOptions>,
    /// When it is to go out; `None` at once.
    pub scheduled_at: Option<Timestamp>,
    /// The profile that platform-only targets are looked up in.
    pub profile: Option<ProfileId>,
    /// Remarks on what was ignored.
    pub warnings: Vec<Warning>,
}

const KNOWN: [&str; 8] = [
    "targets",
    "text",
    "media",
    "firstComment",
    "publishNow",
    "scheduledAt",
    "profileId",
    "options",
];

/// Misspellings of `scheduledAt` that would publish at once what was meant for later.
const NEAR_SCHEDULED_AT: [&str; 12] = [
    "scheduled_at",
    "scheduledat",
    "scheduleAt",
    "schedule_at",
    "schedule",
    "scheduled",
    "scheduledTime",
    "scheduled_time",
    "scheduledFor",
    "publishAt",
    "publish_at",
    "postAt",
];

/// Reads the body of `POST /v1/posts`.
///
/// # Errors
/// `validation_failed`: the first issue decides the rule, `platformResponse` lists all.
pub fn parse_create(body: &[u8]) -> Result<CreateRequest, Fault> {
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read = request(&mut walk, &value);
    let (request, warnings) = walk.finish(read)?;
    Ok(CreateRequest { warnings, ..request })
}

fn request(walk: &mut Walk, value: &Value) -> Option<CreateRequest> {
    let object = walk.object(value)?;
    let before = walk.count();
    let targets = walk.at("targets", |walk| targets(walk, object.get("targets")));
    let text = walk.optional(object, "text", text);
    let media = walk.optional(object, "media", media_list);
    let comment = walk.optional(object, "firstComment", first_comment);
    let now = walk.optional(object, "publishNow", Walk::boolean);
    let scheduled_at = walk.optional(object, "scheduledAt", time);
    let profile =
        walk.optional(object, "profileId", |walk, value| walk.parsed::<ProfileId>(value, "a UUID"));
    let options = walk.optional(object, "options", shared_options).unwrap_or_default();
    near_misses(walk, object);
    walk.unknown(object, &KNOWN);
    if walk.count() > before {
        return None;
    }
    let targets = targets?;
    if targets.len() > TARGETS_MAX {
        let count = targets.len();
        walk.issue_as(
            "targets.max",
            "too_big",
            format!("{count} targets; one request publishes to at most {TARGETS_MAX}"),
        );
        return None;
    }
    if now == Some(true) && scheduled_at.is_some() {
        let message = "publishNow and scheduledAt were both given; keep one of them";
        walk.issue_as("mode_conflict", "custom", message);
        return None;
    }
    Some(CreateRequest {
        targets,
        text,
        media,
        first_comment: comment.flatten(),
        options,
        scheduled_at,
        profile,
        warnings: Vec::new(),
    })
}

fn targets(walk: &mut Walk, value: Option<&Value>) -> Option<Vec<TargetRequest>> {
    let Some(value) = value else {
        walk.issue("invalid_type", "targets is missing; expected a list of 1 to 25 targets");
        return None;
    };
    let Some(items) = value.as_array() else {
        walk.wrong_type("array", value);
        return None;
    };
    if items.is_empty() {
        let message = "targets is empty; name at least one accountId or platform";
        walk.issue_as("targets.required", "too_small", message);
        return None;
    }
    let read: Vec<Option<TargetRequest>> = items
        .iter()
        .enumerate()
        // Beyond the cap one issue says it all; reading thousands of targets says no more.
        .take(TARGETS_MAX + 1)
        .map(|(place, item)| walk.at_place(place, |walk| target(walk, item)))
        .collect();
    read.into_iter().collect()
}

fn shared_options(walk: &mut Walk, value: &Value) -> Option<Vec<PlatformOptions>> {
    match value.as_array() {
        None => options(walk, value).map(|one| vec![one]),
        Some(items) => {
            let read: Vec<Option<PlatformOptions>> = items
                .iter()
                .enumerate()
                .map(|(place, item)| walk.at_place(place, |walk| options(walk, item)))
                .collect();
            read.into_iter().collect()
        }
    }
}

/// An instant with a zone.
pub(super) fn time(walk: &mut Walk, value: &Value) -> Option<Timestamp> {
    let text = walk.any_string(value)?;
    match text.parse::<Timestamp>() {
        Ok(at) => Some(at),
        Err(problem) => {
            let here = walk.here();
            let message = match problem {
                TimeError::Naive => format!(
                    "{here} is {text:?}, which has no zone; end it with Z or an offset like +02:00"
                ),
                TimeError::Malformed => {
                    format!("{here} is {text:?}; expected RFC 3339, such as 2026-05-08T12:00:00Z")
                }
            };
            walk.issue("invalid_string", message);
            None
        }
    }
}

fn near_misses(walk: &mut Walk, object: &Map<String, Value>) {
    if object.contains_key("scheduledAt") {
        return;
    }
    if let Some(name) = NEAR_SCHEDULED_AT.iter().find(|name| object.contains_key(**name)) {
        walk.issue_as(
            "scheduledAt",
            "custom",
            format!(
                "{name} is not known; the name is scheduledAt. Without it the post would go out \
                 at once, so nothing was done"
            ),
        );
    }
}
