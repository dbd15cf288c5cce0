//! X's shape rules.

use super::check::Check;
use super::limits::{TWITTER_ALT_CHARS_MAX, TWITTER_IMAGES_MAX, TWITTER_TEXT_WEIGHT_MAX};
use super::measure::{chars, twitter};
use crate::model::{Content, Fault, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Twitter, content);
    let unit = "weighted characters";
    check.text_or_media("text.non_empty");
    let weight = (twitter(&content.text), TWITTER_TEXT_WEIGHT_MAX);
    check.max("text.max_graphemes", "the text", unit, weight);
    check.images_or_video(TWITTER_IMAGES_MAX);
    check.one_kind();
    check.alt_max("media.alt_text_max_graphemes", "characters", chars, TWITTER_ALT_CHARS_MAX);
    check.comment("first_comment.max_graphemes", unit, twitter, TWITTER_TEXT_WEIGHT_MAX);
    check.faults()
}
