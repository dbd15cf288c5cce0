//! One entry of `targets[]`.

use serde_json::{Map, Value};

use super::issues::{Note, Walk};
use super::media::{RequestMedia, media_list};
use super::options::{PlatformOptions, options};
use super::schedule::means_schedule;
use crate::model::{AccountId, Platform, TEXT_BYTES_MAX, Warning};

/// One target as it was sent. What it leaves out it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRequest {
    /// The account, if it is named.
    pub account: Option<AccountId>,
    /// The platform, if it is named.
    pub platform: Option<Platform>,
    /// Its own text.
    pub text: Option<String>,
    /// Its own media; an empty list means none.
    pub media: Option<Vec<RequestMedia>>,
    /// Its own first comment.
    pub first_comment: Option<String>,
    /// Its own options.
    pub options: Option<PlatformOptions>,
    /// Remarks on what was ignored in it.
    pub warnings: Vec<Warning>,
}

const KNOWN: [&str; 6] = ["accountId", "platform", "text", "media", "firstComment", "options"];
/// What a sandbox target may carry beside `platform` as well as inside `options`.
const SANDBOX: [&str; 3] = ["class", "latencyMs", "faults"];

/// Reads one target. `scheduled` says whether the request gives a time.
pub(super) fn target(walk: &mut Walk, value: &Value, scheduled: bool) -> Option<TargetRequest> {
    let (read, warnings) = walk.apart(|walk| read(walk, value, scheduled));
    Some(TargetRequest { warnings, ..read? })
}

fn read(walk: &mut Walk, value: &Value, scheduled: bool) -> Option<TargetRequest> {
    let object = walk.object(value)?;
    let before = walk.count();
    let account =
        walk.optional(object, "accountId", |walk, value| walk.parsed::<AccountId>(value, "a UUID"));
    let platform = walk.optional(object, "platform", platform);
    let text = walk.optional(object, "text", text);
    let media = walk.optional(object, "media", media_list);
    let comment = walk.optional(object, "firstComment", first_comment);
    let own = walk.optional(object, "options", options);
    let beside = sandbox_beside(walk, object, platform);
    let sandbox = platform == Some(Platform::Sandbox);
    let known: Vec<&str> =
        KNOWN.iter().chain(if sandbox { &SANDBOX[..] } else { &[] }).copied().collect();
    if !scheduled {
        misplaced_schedule(walk, object, &known);
    }
    walk.unknown(object, &known);
    if walk.count() > before {
        return None;
    }
    if account.is_none() && platform.is_none() {
        walk.at("accountId", |walk| {
            let message = format!("{} is missing, and so is platform", walk.here());
            let remedy = "Give each target an accountId, or a platform to look its account up by.";
            walk.note(Note::new("custom", message).remedy(remedy));
        });
        return None;
    }
    Some(TargetRequest {
        account,
        platform,
        text,
        media,
        first_comment: comment.flatten(),
        options: match (own, beside) {
            (Some(own), Some(beside)) => Some(own.over(beside)),
            (own, beside) => own.or(beside),
        },
        warnings: Vec::new(),
    })
}

/// A time on a target, where no time is read: ignored, the post would go out at once.
fn misplaced_schedule(walk: &mut Walk, object: &Map<String, Value>, known: &[&str]) {
    for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
        if name == "scheduledAt" || means_schedule(name) {
            walk.at(name, |walk| {
                let message = format!("{} is not known; a target has no time", walk.here());
                let remedy = "Give scheduledAt at the top level: it holds for all targets. Posts \
                              for different times are different requests. Nothing was done.";
                walk.note(Note::new("custom", message).rule("scheduledAt").remedy(remedy));
            });
        }
    }
}

fn sandbox_beside(
    walk: &mut Walk,
    object: &Map<String, Value>,
    platform: Option<Platform>,
) -> Option<PlatformOptions> {
    let given = SANDBOX.iter().any(|name| object.contains_key(*name));
    if platform != Some(Platform::Sandbox) || !given {
        return None;
    }
    let mut members: Map<String, Value> = SANDBOX
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), object.get(*name)?.clone())))
        .collect();
    members.insert("platform".to_owned(), Value::from("sandbox"));
    options(walk, &Value::Object(members))
}

/// A platform's name.
pub(super) fn platform(walk: &mut Walk, value: &Value) -> Option<Platform> {
    let found = value.as_str().and_then(|name| name.parse().ok());
    if found.is_none() {
        walk.word("invalid_enum_value", Some(value), &Platform::ALL.map(Platform::as_str));
    }
    found
}

/// A text of at least one character.
pub(super) fn text(walk: &mut Walk, value: &Value) -> Option<String> {
    walk.string_within(value, TEXT_BYTES_MAX)
}

/// A first comment: `None` inside when its text is missing or empty, which means "none given".
pub(super) fn first_comment(walk: &mut Walk, value: &Value) -> Option<Option<String>> {
    let object = walk.object(value)?;
    walk.unknown(object, &["text"]);
    match object.get("text") {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(empty)) if empty.is_empty() => Some(None),
        Some(value) => walk.at("text", |walk| text(walk, value)).map(Some),
    }
}
