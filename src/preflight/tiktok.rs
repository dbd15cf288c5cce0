//! TikTok's shape rules: one video. Photo posts wait for the codec that can send them.

use serde_json::json;

use super::check::Check;
use super::limits::{TIKTOK_HASHTAGS_MAX, TIKTOK_TEXT_UNITS_MAX};
use super::measure::{marked, utf16};
use crate::model::{Content, Fault, MediaKind, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Tiktok, content);
    let length = (utf16(&content.text), TIKTOK_TEXT_UNITS_MAX);
    check.max("text.max_chars", "the text", "UTF-16 units", length);
    let hashtags = (marked(&content.text, '#'), TIKTOK_HASHTAGS_MAX);
    check.max("text.hashtag_max", "the text", "hashtags", hashtags);
    check.media_required();
    let count = (content.media.len(), 1);
    check.max("media.single_only", "the list of media", "items", count);
    if check.count(MediaKind::Image) > 0 {
        let message = "an image is attached; a TikTok post is one video".to_owned();
        let hints = json!({ "images": check.count(MediaKind::Image) });
        check.broken("media.video_required", message, hints, "Attach one video instead.");
    }
    brands(&mut check);
    check.no_comment();
    check.faults()
}

fn brands(check: &mut Check<'_>) {
    let options = check.options();
    let on = |name: &str| options[name] == true;
    if on("brandContentToggle") && on("brandOrganicToggle") {
        check.broken(
            "branded_content.mutual_exclusive",
            "brandContentToggle and brandOrganicToggle exclude each other".to_owned(),
            json!({ "options": ["brandContentToggle", "brandOrganicToggle"] }),
            "Keep one of them.",
        );
    }
    // Without the option a post goes out as self_only.
    let privacy = options["privacy"].as_str().unwrap_or("self_only");
    if on("brandContentToggle") && privacy == "self_only" {
        check.broken(
            "branded_content.private",
            "a paid partnership cannot be visible to its author alone".to_owned(),
            json!({ "privacy": privacy }),
            "Set options.privacy to a wider audience, or drop brandContentToggle.",
        );
    }
}
