//! Pinterest's shape rules. Carousels wait for the codec that can send them.

use serde_json::json;

use super::check::Check;
use super::limits::{
    PINTEREST_ALT_CHARS_MAX, PINTEREST_LINK_CHARS_MAX, PINTEREST_TEXT_CHARS_MAX,
    PINTEREST_TITLE_CHARS_MAX,
};
use super::measure::chars;
use crate::model::{Content, Fault, MediaKind, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Pinterest, content);
    let options = check.options();
    check.media_required();
    let count = (content.media.len(), 1);
    check.max("media.single_only", "the list of media", "items", count);
    if check.count(MediaKind::Video) > 0 && options["coverImageUrl"].is_null() {
        check.broken(
            "video.cover_required",
            "a video Pin needs a cover image".to_owned(),
            json!({ "missing": "options.coverImageUrl" }),
            "Give options.coverImageUrl.",
        );
    }
    let length = (chars(&content.text), PINTEREST_TEXT_CHARS_MAX);
    check.max("description.max_chars", "the text", "characters", length);
    let option = |name: &str| options[name].as_str().map_or(0, chars);
    let title = (option("title"), PINTEREST_TITLE_CHARS_MAX);
    check.max("title.max_chars", "options.title", "characters", title);
    let link = (option("destinationUrl"), PINTEREST_LINK_CHARS_MAX);
    check.max("link.max_chars", "options.destinationUrl", "characters", link);
    check.alt_max("media.alt_text_max", "characters", chars, PINTEREST_ALT_CHARS_MAX);
    check.media_by_url();
    check.no_comment();
    check.faults()
}
