//! LinkedIn's shape rules.

use serde_json::json;

use super::check::Check;
use super::limits::{
    LINKEDIN_ALT_CHARS_MAX, LINKEDIN_COMMENT_UNITS_MAX, LINKEDIN_IMAGES_MAX,
    LINKEDIN_TEXT_UNITS_MAX,
};
use super::measure::{chars, utf16};
use crate::model::{Content, Fault, MediaKind, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Linkedin, content);
    check.visible("text.non_empty", "the text", &content.text);
    let length = (utf16(&content.text), LINKEDIN_TEXT_UNITS_MAX);
    check.max("text.max_graphemes", "the text", "UTF-16 units", length);
    check.one_kind();
    let (images, videos) = (check.count(MediaKind::Image), check.count(MediaKind::Video));
    check.max("media.count_max", "the list of media", "images", (images, LINKEDIN_IMAGES_MAX));
    if videos > 1 {
        let message = format!("{videos} videos are attached; a post shows one");
        let hints = json!({ "measured": videos, "limit": 1 });
        check.broken("media.video_count_max", message, hints, "Keep one video.");
    }
    check.alt_max("media.alt_text_max", "characters", chars, LINKEDIN_ALT_CHARS_MAX);
    let limit = LINKEDIN_COMMENT_UNITS_MAX;
    check.comment("first_comment.max_chars", "UTF-16 units", utf16, limit);
    check.faults()
}
