//! Bluesky's shape rules.

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation as _;

use super::limits::{
    BLUESKY_ALT_GRAPHEMES_MAX, BLUESKY_IMAGES_MAX, BLUESKY_LANGS_MAX, BLUESKY_TAG_BYTES_MAX,
    BLUESKY_TAG_GRAPHEMES_MAX, BLUESKY_TAGS_MAX, BLUESKY_TEXT_BYTES_MAX,
    BLUESKY_TEXT_GRAPHEMES_MAX,
};
use super::violation::{above, blank, broken};
use crate::model::{Content, Fault, MediaKind, Platform};

const BLUESKY: Platform = Platform::Bluesky;

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut faults = Vec::new();
    if content.text.trim().is_empty() && content.media.is_empty() {
        faults.push(blank(BLUESKY, "bluesky.text.non_empty", "the text"));
    }
    text(&mut faults, &content.text, "the text", "bluesky.text.max_graphemes");
    media(&mut faults, content);
    options(&mut faults, content);
    if let Some(comment) = &content.first_comment {
        if comment.text.trim().is_empty() {
            faults.push(blank(BLUESKY, "bluesky.first_comment.non_empty", "the first comment"));
        }
        let rule = "bluesky.first_comment.max_graphemes";
        text(&mut faults, &comment.text, "the first comment", rule);
    }
    faults
}

fn text(faults: &mut Vec<Fault>, text: &str, what: &str, rule: &str) {
    let graphemes = text.graphemes(true).count();
    if graphemes > BLUESKY_TEXT_GRAPHEMES_MAX {
        let limit = BLUESKY_TEXT_GRAPHEMES_MAX;
        faults.push(above(BLUESKY, rule, what, "graphemes", graphemes, limit));
    }
    if text.len() > BLUESKY_TEXT_BYTES_MAX {
        let limit = BLUESKY_TEXT_BYTES_MAX;
        let rule = "bluesky.text.max_bytes";
        faults.push(above(BLUESKY, rule, what, "UTF-8 bytes", text.len(), limit));
    }
}

fn media(faults: &mut Vec<Fault>, content: &Content) {
    let count = |kind| content.media.iter().filter(|item| item.kind == kind).count();
    let (images, videos) = (count(MediaKind::Image), count(MediaKind::Video));
    if images > 0 && videos > 0 {
        faults.push(broken(
            BLUESKY,
            "bluesky.media.image_video_exclusive",
            format!("{images} images and {videos} videos are attached; a post shows one kind"),
            json!({ "images": images, "videos": videos }),
            "Keep the images or the video.".to_owned(),
        ));
    }
    if images > BLUESKY_IMAGES_MAX || videos > 1 {
        faults.push(broken(
            BLUESKY,
            "bluesky.media.count_max",
            format!("{images} images and {videos} videos; at most {BLUESKY_IMAGES_MAX} or 1"),
            json!({ "images": images, "videos": videos, "limit": BLUESKY_IMAGES_MAX }),
            format!("Attach at most {BLUESKY_IMAGES_MAX} images, or one video."),
        ));
    }
    for item in &content.media {
        let graphemes = item.alt_text.as_deref().map_or(0, |alt| alt.graphemes(true).count());
        if graphemes > BLUESKY_ALT_GRAPHEMES_MAX {
            let (rule, limit) = ("bluesky.media.alt_text_max_graphemes", BLUESKY_ALT_GRAPHEMES_MAX);
            faults.push(above(BLUESKY, rule, "an alt text", "graphemes", graphemes, limit));
        }
    }
}

fn options(faults: &mut Vec<Fault>, content: &Content) {
    let json = content.options.as_deref().unwrap_or("{}");
    let options: Value = serde_json::from_str(json).unwrap_or_default();
    let list = |name: &str| options[name].as_array().map_or(&[][..], Vec::as_slice);
    let (langs, tags) = (list("langs"), list("tags"));
    if langs.len() > BLUESKY_LANGS_MAX {
        let limit = BLUESKY_LANGS_MAX;
        let rule = "bluesky.langs.max";
        faults.push(above(BLUESKY, rule, "langs", "language tags", langs.len(), limit));
    }
    let long = tags.iter().filter_map(Value::as_str).any(|tag| {
        tag.len() > BLUESKY_TAG_BYTES_MAX || tag.graphemes(true).count() > BLUESKY_TAG_GRAPHEMES_MAX
    });
    if tags.len() > BLUESKY_TAGS_MAX || long {
        faults.push(broken(
            BLUESKY,
            "bluesky.tags.max",
            format!("{} tags; at most {BLUESKY_TAGS_MAX} of 64 graphemes", tags.len()),
            json!({ "measured": tags.len(), "limit": BLUESKY_TAGS_MAX }),
            format!("Use at most {BLUESKY_TAGS_MAX} tags of at most 64 graphemes."),
        ));
    }
    for name in ["replyToUri", "replyRootUri"] {
        let Some(uri) = options[name].as_str() else { continue };
        let parts: Vec<&str> = uri.split('/').collect();
        let sound = matches!(parts.as_slice(), ["at:", "", repo, _, key]
            if !repo.is_empty() && !key.is_empty());
        if !sound {
            faults.push(broken(
                BLUESKY,
                "bluesky.reply.uri_format",
                format!("{name} is {uri:?}, no address of a post"),
                json!({ "uri": uri }),
                "Use a post's uri, such as at://did:plc:…/app.bsky.feed.post/3k….".to_owned(),
            ));
        }
    }
}
