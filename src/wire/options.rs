//! The options a platform takes beside text and media.

use serde_json::{Map, Value};

use super::issues::{Note, Walk, clip};
use crate::model::{
    OPTION_BYTES_MAX, OPTION_ITEMS_MAX, Platform, SANDBOX_FAULTS_MAX, SANDBOX_LATENCY_MS_MAX,
};

/// A platform's options, checked: a JSON object without the `platform` tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformOptions {
    /// The platform they are for.
    pub platform: Platform,
    /// The options as JSON text, or `None` when there are none beside the tag.
    pub json: Option<String>,
}

impl PlatformOptions {
    /// These options, with what they leave out taken from others of the same platform.
    pub(super) fn over(self, under: Self) -> Self {
        if self.platform != under.platform {
            return self;
        }
        let members = |options: &Self| -> Map<String, Value> {
            let json = options.json.as_deref().unwrap_or("{}");
            serde_json::from_str(json).unwrap_or_default()
        };
        let mut all = members(&under);
        all.extend(members(&self));
        let json = (!all.is_empty()).then(|| Value::Object(all).to_string());
        Self { json, ..self }
    }
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
    /// A list of language tags (BCP 47).
    Languages,
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
            ("langs", Kind::Languages),
            ("tags", Kind::Texts),
        ],
        Platform::Sandbox => &[
            ("class", Kind::Word(&["keyed", "readable", "blind"])),
            ("latencyMs", Kind::Whole(0, SANDBOX_LATENCY_MS_MAX)),
            ("faults", Kind::Words(SANDBOX_FAULTS_MAX, SANDBOX_FAULTS)),
        ],
        Platform::Facebook | Platform::Instagram | Platform::Linkedin => &[],
    }
}

/// The names of a platform's options.
pub fn option_names(platform: Platform) -> impl Iterator<Item = &'static str> {
    members(platform).iter().map(|(name, _)| *name)
}

/// One options object.
pub(super) fn options(walk: &mut Walk, value: &Value) -> Option<PlatformOptions> {
    let object = walk.object(value)?;
    let tag = object.get("platform").and_then(Value::as_str);
    let Some(platform) = tag.and_then(|name| name.parse::<Platform>().ok()) else {
        walk.at("platform", |walk| {
            let names = Platform::ALL.map(Platform::as_str);
            walk.word("invalid_union_discriminator", object.get("platform"), &names);
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
        Kind::Text => drop(walk.string_within(value, OPTION_BYTES_MAX)),
        Kind::Url => drop(walk.url(value)),
        Kind::Flag => {
            let _ = walk.boolean(value);
        }
        Kind::Word(words) => word(walk, value, words),
        Kind::Whole(low, high) => whole(walk, value, *low, *high),
        Kind::Texts => list(walk, value, OPTION_ITEMS_MAX, |walk, item| {
            drop(walk.string_within(item, OPTION_BYTES_MAX));
        }),
        Kind::Languages => list(walk, value, OPTION_ITEMS_MAX, language),
        Kind::Words(max, words) => list(walk, value, *max, |walk, item| word(walk, item, words)),
    }
}

fn word(walk: &mut Walk, value: &Value, words: &[&str]) {
    if !value.as_str().is_some_and(|text| words.contains(&text)) {
        walk.word("invalid_enum_value", Some(value), words);
    }
}

fn whole(walk: &mut Walk, value: &Value, low: u64, high: u64) {
    if !value.as_u64().is_some_and(|number| (low..=high).contains(&number)) {
        let message = format!("{} is no whole number from {low} to {high}", walk.here());
        let note = Note::new("invalid_type", message).hint("expected", "integer");
        walk.note(note.hint("minimum", low).hint("maximum", high));
    }
}

/// A language and what narrows it, as in `en`, `pt-BR` or `zh-Hant-TW`.
fn language(walk: &mut Walk, value: &Value) {
    let Some(text) = walk.string(value) else { return };
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let named = (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let narrowed = parts.all(|part| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if !(named && narrowed) {
        let message = format!("{} is {:?}, no language tag", walk.here(), clip(&text));
        let note = Note::new("invalid_string", message).hint("validation", "bcp47");
        walk.note(note.remedy("Write languages as BCP 47 does: en, pt-BR, zh-Hant."));
    }
}

fn list(walk: &mut Walk, value: &Value, max: usize, mut read: impl FnMut(&mut Walk, &Value)) {
    match value.as_array() {
        None => walk.wrong_type("array", value),
        Some(items) if items.len() > max => {
            let message = format!("{} has {} elements; at most {max}", walk.here(), items.len());
            walk.note(Note::new("too_big", message).hint("type", "array").hint("maximum", max));
        }
        Some(items) => {
            for (place, item) in items.iter().enumerate() {
                walk.at_place(place, |walk| read(walk, item));
            }
        }
    }
}

/// Members that need others, each with the one it needs, in the order they are checked.
const BLUESKY_NEEDS: [(&str, &str); 5] = [
    ("replyToUri", "replyToCid"),
    ("replyToCid", "replyToUri"),
    ("replyRootUri", "replyRootCid"),
    ("replyRootCid", "replyRootUri"),
    ("replyRootUri", "replyToUri"),
];

/// Members that need or exclude each other.
fn pairs(walk: &mut Walk, platform: Platform, kept: &Map<String, Value>) {
    let has = |name: &str| kept.contains_key(name);
    if platform == Platform::Bluesky {
        for (given, needed) in BLUESKY_NEEDS {
            if has(given) && !has(needed) {
                walk.at(needed, |walk| {
                    let message = format!("{} is missing: {given} needs it", walk.here());
                    let remedy = format!("Give both {given} and {needed}, or neither.");
                    walk.note(Note::new("custom", message).remedy(remedy));
                });
            }
        }
    }
    if platform == Platform::Twitter && has("replyToTweetId") && has("quoteTweetId") {
        walk.at("replyToTweetId", |walk| {
            let message = format!("{} and quoteTweetId exclude each other", walk.here());
            walk.note(Note::new("custom", message).remedy("Keep one of them."));
        });
    }
}
