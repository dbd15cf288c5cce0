//! Instagram's shape rules.

use super::check::Check;
use super::limits::{
    INSTAGRAM_ALT_CHARS_MAX, INSTAGRAM_HASHTAGS_MAX, INSTAGRAM_MEDIA_MAX, INSTAGRAM_MENTIONS_MAX,
    INSTAGRAM_TEXT_CHARS_MAX,
};
use super::measure::{chars, marked};
use crate::model::{Content, Fault, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Instagram, content);
    let text = &content.text;
    check.media_required();
    let length = (chars(text), INSTAGRAM_TEXT_CHARS_MAX);
    check.max("text.max_graphemes", "the text", "characters", length);
    let count = (content.media.len(), INSTAGRAM_MEDIA_MAX);
    check.max("media.count_max", "the list of media", "items", count);
    let (rule, limit) = ("media.alt_text_max_graphemes", INSTAGRAM_ALT_CHARS_MAX);
    check.alt_max(rule, "characters", chars, limit);
    let hashtags = (marked(text, '#'), INSTAGRAM_HASHTAGS_MAX);
    check.max("text.hashtag_max", "the text", "hashtags", hashtags);
    let mentions = (marked(text, '@'), INSTAGRAM_MENTIONS_MAX);
    check.max("text.mention_max", "the text", "mentions", mentions);
    check.media_by_url();
    check.comment("first_comment.max_chars", "characters", chars, INSTAGRAM_TEXT_CHARS_MAX);
    check.faults()
}
