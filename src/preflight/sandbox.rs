//! The sandbox's shape rules: few, so that they show the mechanism.

use super::limits::{SANDBOX_MEDIA_MAX, SANDBOX_TEXT_CHARS_MAX};
use super::violation::{above, blank};
use crate::model::{Content, Fault, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let sandbox = Platform::Sandbox;
    let mut faults = Vec::new();
    if content.text.trim().is_empty() && content.media.is_empty() {
        faults.push(blank(sandbox, "sandbox.text.non_empty", "the text"));
    }
    let texts = [
        ("the text", "sandbox.text.max_chars", Some(&content.text)),
        (
            "the first comment",
            "sandbox.first_comment.max_chars",
            content.first_comment.as_ref().map(|comment| &comment.text),
        ),
    ];
    for (what, rule, text) in texts {
        let chars = text.map_or(0, |text| text.chars().count());
        if chars > SANDBOX_TEXT_CHARS_MAX {
            let limit = SANDBOX_TEXT_CHARS_MAX;
            faults.push(above(sandbox, rule, what, "characters", chars, limit));
        }
    }
    if content.media.len() > SANDBOX_MEDIA_MAX {
        let (count, limit) = (content.media.len(), SANDBOX_MEDIA_MAX);
        let rule = "sandbox.media.count_max";
        faults.push(above(sandbox, rule, "the list of media", "items", count, limit));
    }
    faults
}
