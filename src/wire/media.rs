//! Attachments of a request.

use std::sync::Arc;

use base64::Engine as _;
use serde_json::Value;

use super::issues::{Note, Walk};
use crate::model::{ALT_TEXT_BYTES_MAX, MEDIA_ITEMS_MAX, MediaId, MediaKind};

/// One attachment as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMedia {
    /// Image or video.
    pub kind: MediaKind,
    /// The description; empty and absent are different.
    pub alt_text: Option<String>,
    /// Where its bytes come from.
    pub source: RequestSource,
}

/// Where the bytes of an attachment come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestSource {
    /// A file uploaded before.
    Upload(MediaId),
    /// A public address.
    Url(String),
    /// The bytes themselves, shared by all targets that inherit them.
    Inline(Arc<Vec<u8>>),
}

/// A list of attachments, which may be empty.
pub(super) fn media_list(walk: &mut Walk, value: &Value) -> Option<Vec<RequestMedia>> {
    let Some(items) = value.as_array() else {
        walk.wrong_type("array", value);
        return None;
    };
    if items.len() > MEDIA_ITEMS_MAX {
        let count = items.len();
        let message = format!("{count} attachments; no platform takes more than {MEDIA_ITEMS_MAX}");
        let note = Note::new("too_big", message).hint("maximum", MEDIA_ITEMS_MAX);
        walk.note(note.remedy("Spread the attachments over several posts."));
        return None;
    }
    let read: Vec<Option<RequestMedia>> = items
        .iter()
        .enumerate()
        .map(|(place, item)| walk.at_place(place, |walk| media_item(walk, item)))
        .collect();
    read.into_iter().collect()
}

fn media_item(walk: &mut Walk, value: &Value) -> Option<RequestMedia> {
    let object = walk.object(value)?;
    let before = walk.count();
    let kind = match object.get("kind").and_then(Value::as_str) {
        Some("image") => MediaKind::Image,
        Some("video") => MediaKind::Video,
        _ => {
            let here = walk.here();
            let message = format!("{here}.kind is neither \"image\" nor \"video\"");
            walk.note(Note::new("invalid_union", message).hint("options", &["image", "video"][..]));
            return None;
        }
    };
    let alt_text = match object.get("altText") {
        None => None,
        Some(Value::String(text)) => {
            walk.at("altText", |walk| walk.within(text, ALT_TEXT_BYTES_MAX)).then(|| text.clone())
        }
        Some(_) => {
            let here = walk.here();
            walk.issue("invalid_union", format!("{here}.altText is no string"));
            return None;
        }
    };
    let id = walk.optional(object, "mediaId", |walk, value| {
        walk.parsed::<MediaId>(value, "med_ and 22 letters or digits").map(RequestSource::Upload)
    });
    let url = walk.optional(object, "url", |walk, value| walk.url(value).map(RequestSource::Url));
    let bytes = walk.optional(object, "bytesBase64", inline);
    walk.unknown(object, &["kind", "altText", "mediaId", "url", "bytesBase64"]);
    if walk.count() > before {
        return None;
    }
    let mut sources: Vec<RequestSource> = [id, url, bytes].into_iter().flatten().collect();
    if sources.len() != 1 {
        let message = format!("{} has {} sources, not one", walk.here(), sources.len());
        let remedy = "Give each attachment exactly one of mediaId, url and bytesBase64.";
        walk.note(Note::new("custom", message).remedy(remedy));
        return None;
    }
    sources.pop().map(|source| RequestMedia { kind, alt_text, source })
}

fn inline(walk: &mut Walk, value: &Value) -> Option<RequestSource> {
    let empty = value.as_str().is_some_and(str::is_empty);
    let Some(text) = value.as_str().filter(|_| !empty) else {
        // The same words as for any other string; the long ones are not copied to be judged.
        return walk.string(value).and(None);
    };
    match base64::engine::general_purpose::STANDARD.decode(text.trim_ascii()) {
        Ok(bytes) if !bytes.is_empty() => Some(RequestSource::Inline(Arc::new(bytes))),
        _ => {
            let message = format!("{} is no base64 of at least one byte", walk.here());
            let remedy = "Encode the file in standard base64 with padding, without line breaks.";
            let note = Note::new("invalid_string", message).hint("validation", "base64");
            walk.note(note.remedy(remedy));
            None
        }
    }
}
