//! Facebook's shape rules.

use super::check::Check;
use super::limits::{FACEBOOK_IMAGES_MAX, FACEBOOK_TEXT_CHARS_MAX};
use super::measure::chars;
use crate::model::{Content, Fault, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Facebook, content);
    check.text_or_media("text.required");
    let length = (chars(&content.text), FACEBOOK_TEXT_CHARS_MAX);
    check.max("text.max_graphemes", "the text", "characters", length);
    check.one_kind();
    check.images_or_video(FACEBOOK_IMAGES_MAX);
    check.media_by_url();
    // The Graph API states no length for comments: a comment may be as long as a post.
    check.comment("first_comment.max_chars", "characters", chars, FACEBOOK_TEXT_CHARS_MAX);
    check.faults()
}
