//! The sandbox's shape rules: few, so that they show the mechanism.

use super::check::Check;
use super::limits::{SANDBOX_MEDIA_MAX, SANDBOX_TEXT_CHARS_MAX};
use super::measure::chars;
use crate::model::{Content, Fault, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Sandbox, content);
    check.text_or_media("text.non_empty");
    let length = (chars(&content.text), SANDBOX_TEXT_CHARS_MAX);
    check.max("text.max_chars", "the text", "characters", length);
    let count = (content.media.len(), SANDBOX_MEDIA_MAX);
    check.max("media.count_max", "the list of media", "items", count);
    check.comment("first_comment.max_chars", "characters", chars, SANDBOX_TEXT_CHARS_MAX);
    check.faults()
}
