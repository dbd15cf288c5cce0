//! One entry of `targets[]`.

use serde_json::{Map, Value};

use super::issues::Walk;
use super::media::{RequestMedia, media_list};
use super::options::{PlatformOptions, options};
use crate::model::{AccountId, Platform, TEXT_BYTES_MAX};

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
}

const KNOWN: [&str; 6] = ["accountId", "platform", "text", "media", "firstComment", "options"];
/// What a sandbox target may carry beside `platform` as well as inside `options`.
const SANDBOX: [&str; 3] = ["class", "latencyMs", "faults"];

/// Reads one target.
pub(super) fn target(walk: &mut Walk, value: &Value) -> Option<TargetRequest> {
    let object = walk.object(value)?;
    let before = walk.count();
    let account =
        walk.optional(object, "accountId", |walk, value| walk.parsed::<AccountId>(value, "a UUID"));
    let platform = walk.optional(object, "platform", platform);
    let text = walk.optional(object, "text", text);
    let media = walk.optional(object, "media", media_list);
    let first_comment =
        walk.optional(object, "firstComment", |walk, value| first_comment(walk, value).map(Some));
    let own = walk.optional(object, "options", options);
    let beside = sandbox_beside(walk, object, platform);
    let sandbox = platform == Some(Platform::Sandbox);
    let known: Vec<&str> =
        KNOWN.iter().chain(if sandbox { &SANDBOX[..] } else { &[] }).copied().collect();
    walk.unknown(object, &known);
    if walk.count() > before {
        return None;
    }
    if account.is_none() && platform.is_none() {
        walk.at("accountId", |walk| {
            let here = walk.here();
            let message = format!("{here} is missing: a target names an accountId or a platform");
            walk.issue("custom", message);
        });
        return None;
    }
    Some(TargetRequest {
        account,
        platform,
        text,
        media,
        first_comment: first_comment.flatten().flatten(),
        options: own.or(beside),
    })
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
        let names: Vec<&str> = Platform::ALL.iter().map(|platform| platform.as_str()).collect();
        let here = walk.here();
        walk.issue("invalid_enum_value", format!("{here} must be one of {}", names.join(", ")));
    }
    found
}

/// A text of at least one character.
pub(super) fn text(walk: &mut Walk, value: &Value) -> Option<String> {
    let text = walk.string(value)?;
    if text.len() > TEXT_BYTES_MAX {
        let here = walk.here();
        let bytes = text.len();
        walk.issue("too_big", format!("{here} is {bytes} bytes; at most {TEXT_BYTES_MAX}"));
        return None;
    }
    Some(text)
}

/// A first comment: `None` inside when its text is missing or empty, which means "none given".
pub(super) fn first_comment(walk: &mut Walk, value: &Value) -> Option<Option<String>> {
    let object = walk.object(value)?;
    match object.get("text") {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(empty)) if empty.is_empty() => Some(None),
        Some(value) => walk.at("text", |walk| text(walk, value)).map(Some),
    }
}
