//! The body of `POST /v1/posts`.

use serde_json::{Map, Value};

use super::issues::{Note, Walk, parse_json};
use super::media::{RequestMedia, media_list};
use super::options::{PlatformOptions, options};
use super::schedule::{means_schedule, time};
use super::target::{TargetRequest, first_comment, target, text};
use crate::model::{Fault, Platform, ProfileId, SendOutcome, TARGETS_MAX, Timestamp, Warning};

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
    /// Remarks on what was ignored outside of targets.
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

/// Reads the body of `POST /v1/posts`.
///
/// # Errors
/// `validation_failed`: the first issue decides the rule, `platformResponse` lists all.
pub fn parse_create(body: &[u8]) -> Result<CreateRequest, Fault> {
    let unsent = |fault: Fault| fault.outcome(SendOutcome::NotSent);
    let value = parse_json(body).map_err(unsent)?;
    let mut walk = Walk::default();
    let read = request(&mut walk, &value);
    let (request, warnings) = walk.finish(read).map_err(unsent)?;
    Ok(CreateRequest { warnings, ..request })
}

/// Reads the body of `POST /v1/posts/validate`: that of a request to publish, and whether deep
/// checks are wanted.
///
/// # Errors
/// As `parse_create`; rule `deep` when that is no boolean.
pub fn parse_validate(body: &[u8]) -> Result<(CreateRequest, bool), Fault> {
    let mut value = parse_json(body)?;
    let deep = value.as_object_mut().and_then(|object| object.remove("deep"));
    let mut walk = Walk::default();
    let deep = deep.map(|deep| walk.at("deep", |walk| walk.boolean(&deep)).unwrap_or(false));
    let read = request(&mut walk, &value);
    let (request, warnings) = walk.finish(read)?;
    Ok((CreateRequest { warnings, ..request }, deep.unwrap_or(false)))
}

fn request(walk: &mut Walk, value: &Value) -> Option<CreateRequest> {
    let object = walk.object(value)?;
    let scheduled = object.contains_key("scheduledAt");
    let targets = walk.at("targets", |walk| targets(walk, object.get("targets"), scheduled));
    let text = walk.optional(object, "text", text);
    let media = walk.optional(object, "media", media_list);
    let comment = walk.optional(object, "firstComment", first_comment);
    let now = walk.optional(object, "publishNow", Walk::boolean);
    let scheduled_at = walk.optional(object, "scheduledAt", time);
    let profile =
        walk.optional(object, "profileId", |walk, value| walk.parsed::<ProfileId>(value, "a UUID"));
    let options = walk.optional(object, "options", shared_options).unwrap_or_default();
    if !scheduled {
        misspelled_schedule(walk, object);
    }
    walk.unknown(object, &KNOWN);
    if walk.count() > 0 {
        return None;
    }
    let targets = targets?;
    // Rules that join several members hold only where each member is sound by itself.
    let count = object.get("targets").and_then(Value::as_array).map_or(0, Vec::len);
    if count > TARGETS_MAX {
        let message = format!("{count} targets; one request publishes to at most {TARGETS_MAX}");
        let note = Note::new("too_big", message).rule("targets.max").hint("maximum", TARGETS_MAX);
        let remedy = format!("Split it into requests of at most {TARGETS_MAX} targets each.");
        walk.at("targets", |walk| walk.note(note.remedy(remedy)));
    }
    if now == Some(true) && scheduled_at.is_some() {
        let message = "publishNow and scheduledAt were both given";
        let note = Note::new("custom", message).rule("mode_conflict");
        walk.note(note.remedy("Keep publishNow: true to publish now, or scheduledAt for later."));
    }
    if walk.count() > 0 {
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

fn targets(walk: &mut Walk, value: Option<&Value>, scheduled: bool) -> Option<Vec<TargetRequest>> {
    let Some(value) = value else {
        let message = "targets is missing; expected a list of 1 to 25 targets";
        walk.note(Note::new("invalid_type", message).hint("expected", "array"));
        return None;
    };
    let Some(items) = value.as_array() else {
        walk.wrong_type("array", value);
        return None;
    };
    if items.is_empty() {
        let note = Note::new("too_small", "targets is empty").rule("targets.required");
        let remedy = "Put at least one target into targets: an accountId or a platform.";
        walk.note(note.hint("minimum", 1).remedy(remedy));
        return None;
    }
    let read: Vec<Option<TargetRequest>> = items
        .iter()
        .enumerate()
        // Beyond the cap one issue says it all; reading thousands of targets says no more.
        .take(TARGETS_MAX)
        .map(|(place, item)| walk.at_place(place, |walk| target(walk, item, scheduled)))
        .collect();
    read.into_iter().collect()
}

/// Options for every target of their platform: one object, or a list with one a platform.
fn shared_options(walk: &mut Walk, value: &Value) -> Option<Vec<PlatformOptions>> {
    let Some(items) = value.as_array() else {
        return options(walk, value).map(|one| vec![one]);
    };
    let max = Platform::ALL.len();
    if items.len() > max {
        let message = format!("options has {} elements; at most one a platform", items.len());
        walk.note(Note::new("too_big", message).hint("maximum", max));
        return None;
    }
    let mut all: Vec<PlatformOptions> = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let one = walk.at_place(place, |walk| {
            let one = options(walk, item)?;
            if all.iter().any(|other| other.platform == one.platform) {
                let message = format!("options has several elements for {}", one.platform);
                walk.at("platform", |walk| walk.issue("custom", message));
            }
            Some(one)
        });
        all.extend(one);
    }
    Some(all)
}

/// A member that would publish at once what was meant for later, because its name is not right.
fn misspelled_schedule(walk: &mut Walk, object: &Map<String, Value>) {
    for name in object.keys().filter(|name| !KNOWN.contains(&name.as_str())) {
        if means_schedule(name) {
            let message = format!("{name} is not known; it looks like scheduledAt");
            let note = Note::new("custom", message).rule("scheduledAt");
            let remedy = format!(
                "Spell it scheduledAt. Nothing was done: with {name} ignored, the post would go \
                 out at once."
            );
            walk.at(name, |walk| walk.note(note.remedy(remedy)));
        }
    }
}
