//! The options a platform takes beside text and media.

use serde_json::{Map, Value};

use super::issues::Walk;
use crate::model::Platform;

/// A platform's options, checked: a JSON object without the `platform` tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformOptions {
    /// The platform they are for.
    pub platform: Platform,
    /// The options as JSON text, or `None` when there are none beside the tag.
    pub json: Option<String>,
}

/// What a member must be.
enum Kind {
    /// A string of at least one character.
    Text,
    /// An absolute http or https URL.
    Url,
    /// A boolean.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number in this range.
    Whole(u64, u64),
    /// A list of strings of at least one character.
    Texts,
    /// A list of at most this many of these words.
    Words(usize, &'static [&'static str]),
}

const SANDBOX_FAULTS: &[&str] = &[
    "none",
    "rate_limited",
    "unavailable",
    "rejected",
    "auth_expired",
    "timeout_before_send",
    "timeout_after_send",
    "garbage",
    "crash_before_send",
    "crash_after_send",
    "crash_after_answer",
];

/// The members of each platform's options, in the order they are checked.
fn members(platform: Platform) -> &'static [(&'static str, Kind)] {
    match platform {
        Platform::Twitter => &[("replyToTweetId", Kind::Text), ("quoteTweetId", Kind::Text)],
        Platform::Pinterest => &[
            ("boardId", Kind::Text),
            ("destinationUrl", Kind::Url),
            ("title", Kind::Text),
            ("coverImageUrl", Kind::Url),
        ],
        Platform::Threads => &[("replyToId", Kind::Text)],
        Platform::Tiktok => &[
            ("privacy", Kind::Word(&["public_to_everyone", "mutual_follow_friend", "self_only"])),
            ("disableComment", Kind::Flag),
            ("disableDuet", Kind::Flag),
            ("disableStitch", Kind::Flag),
            ("brandContentToggle", Kind::Flag),
            ("brandOrganicToggle", Kind::Flag),
        ],
        Platform::Bluesky => &[
            ("replyToUri", Kind::Text),
            ("replyToCid", Kind::Text),
            ("replyRootUri", Kind::Text),
            ("replyRootCid", Kind::Text),
            ("langs", Kind::Texts),
            ("tags", Kind::Texts),
        ],
        Platform::Sandbox => &[
            ("class", Kind::Word(&["keyed", "readable", "blind"])),
            ("latencyMs", Kind::Whole(0, 600_000)),
            ("faults", Kind::Words(16, SANDBOX_FAULTS)),
        ],
        Platform::Facebook | Platform::Instagram | Platform::Linkedin => &[],
    }
}

/// One options object.
pub(super) fn options(walk: &mut Walk, value: &Value) -> Option<PlatformOptions> {
    let object = walk.object(value)?;
    let tag = object.get("platform").and_then(Value::as_str);
    let Some(platform) = tag.and_then(|name| name.parse::<Platform>().ok()) else {
        walk.at("platform", |walk| {
            let here = walk.here();
            let names: Vec<&str> = Platform::ALL.iter().map(|platform| platform.as_str()).collect();
            let message = format!("{here} must name one of {}", names.join(", "));
            walk.issue("invalid_union_discriminator", message);
        });
        return None;
    };
    let before = walk.count();
    let mut kept = Map::new();
    let mut known = vec!["platform"];
    for (name, kind) in members(platform) {
        known.push(name);
        if let Some(value) = object.get(*name) {
            walk.at(name, |walk| member(walk, value, kind));
            kept.insert((*name).to_owned(), value.clone());
        }
    }
    walk.unknown(object, &known);
    if walk.count() == before {
        pairs(walk, platform, &kept);
    }
    if walk.count() > before {
        return None;
    }
    let json = (!kept.is_empty()).then(|| Value::Object(kept).to_string());
    Some(PlatformOptions { platform, json })
}

fn member(walk: &mut Walk, value: &Value, kind: &Kind) {
    match kind {
        Kind::Text => drop(walk.string(value)),
        Kind::Url => drop(walk.url(value)),
        Kind::Flag => {
            let _ = walk.boolean(value);
        }
        Kind::Word(words) => word(walk, value, words),
        Kind::Whole(low, high) => {
            let fits = value.as_u64().is_some_and(|number| (*low..=*high).contains(&number));
            if !fits {
                let here = walk.here();
                walk.issue("invalid_type", format!("{here} is no whole number, {low} to {high}"));
            }
        }
        Kind::Texts => list(walk, value, usize::MAX, |walk, item| drop(walk.string(item))),
        Kind::Words(max, words) => list(walk, value, *max, |walk, item| word(walk, item, words)),
    }
}

fn word(walk: &mut Walk, value: &Value, words: &[&str]) {
    if !value.as_str().is_some_and(|text| words.contains(&text)) {
        let here = walk.here();
        walk.issue("invalid_enum_value", format!("{here} must be one of {}", words.join(", ")));
    }
}

fn list(walk: &mut Walk, value: &Value, max: usize, mut read: impl FnMut(&mut Walk, &Value)) {
    match value.as_array() {
        None => walk.wrong_type("array", value),
        Some(items) if items.len() > max => {
            let here = walk.here();
            walk.issue("too_big", format!("{here} has more than {max} elements"));
        }
        Some(items) => {
            for (place, item) in items.iter().enumerate() {
                walk.at_place(place, |walk| read(walk, item));
            }
        }
    }
}

/// Members that need or exclude each other.
fn pairs(walk: &mut Walk, platform: Platform, kept: &Map<String, Value>) {
    let has = |name: &str| kept.contains_key(name);
    let mut need = |missing: &str, because: &str| {
        walk.at(missing, |walk| {
            let here = walk.here();
            walk.issue("custom", format!("{here} is missing: {because} needs it"));
        });
    };
    if platform == Platform::Bluesky {
        if has("replyToUri") && !has("replyToCid") {
            need("replyToCid", "replyToUri");
        } else if has("replyToCid") && !has("replyToUri") {
            need("replyToUri", "replyToCid");
        } else if has("replyRootUri") && !has("replyRootCid") {
            need("replyRootCid", "replyRootUri");
        } else if has("replyRootCid") && !has("replyRootUri") {
            need("replyRootUri", "replyRootCid");
        } else if has("replyRootUri") && !has("replyToUri") {
            need("replyToUri", "replyRootUri");
        }
    }
    if platform == Platform::Twitter && has("replyToTweetId") && has("quoteTweetId") {
        walk.at("replyToTweetId", |walk| {
            let here = walk.here();
            walk.issue("custom", format!("{here} and quoteTweetId exclude each other"));
        });
    }
}
