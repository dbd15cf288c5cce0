//! Threads' shape rules.

use std::collections::BTreeSet;

use super::check::Check;
use super::limits::{
    THREADS_ALT_CHARS_MAX, THREADS_LINKS_MAX, THREADS_MEDIA_MAX, THREADS_TEXT_CHARS_MAX,
};
use super::measure::{chars, links, threads};
use crate::model::{Content, Fault, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Threads, content);
    let (text, limit) = (&content.text, THREADS_TEXT_CHARS_MAX);
    check.text_or_media("text.required");
    let length = chars(text);
    check.max("text.max_graphemes", "the text", "characters", (length, limit));
    if length <= limit {
        let unit = "characters, an emoji counted as its UTF-8 bytes,";
        check.max("text.max_weighted", "the text", unit, (threads(text), limit));
    }
    let different: BTreeSet<&str> = links(text).collect();
    let count = (different.len(), THREADS_LINKS_MAX);
    check.max("text.links_max", "the text", "different links", count);
    let count = (content.media.len(), THREADS_MEDIA_MAX);
    check.max("media.count_max", "the list of media", "items", count);
    check.alt_max("media.alt_text_max_graphemes", "characters", chars, THREADS_ALT_CHARS_MAX);
    check.media_by_url();
    check.comment("first_comment.max_chars", "characters", threads, limit);
    check.faults()
}
