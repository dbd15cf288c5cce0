//! Bluesky's shape rules.

use serde_json::{Value, json};

use super::check::Check;
use super::limits::{
    BLUESKY_ALT_GRAPHEMES_MAX, BLUESKY_IMAGES_MAX, BLUESKY_LANGS_MAX, BLUESKY_TAG_BYTES_MAX,
    BLUESKY_TAG_GRAPHEMES_MAX, BLUESKY_TAGS_MAX, BLUESKY_TEXT_BYTES_MAX,
    BLUESKY_TEXT_GRAPHEMES_MAX,
};
use super::measure::graphemes;
use crate::model::{Content, Fault, Platform};

/// What a content breaks.
pub(super) fn shape(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Bluesky, content);
    let text = &content.text;
    check.text_or_media("text.non_empty");
    let length = (graphemes(text), BLUESKY_TEXT_GRAPHEMES_MAX);
    check.max("text.max_graphemes", "the text", "graphemes", length);
    let bytes = (text.len(), BLUESKY_TEXT_BYTES_MAX);
    check.max("text.max_bytes", "the text", "UTF-8 bytes", bytes);
    check.one_kind();
    check.images_or_video(BLUESKY_IMAGES_MAX);
    let limit = BLUESKY_ALT_GRAPHEMES_MAX;
    check.alt_max("media.alt_text_max_graphemes", "graphemes", graphemes, limit);
    options(&mut check);
    let limit = BLUESKY_TEXT_GRAPHEMES_MAX;
    check.comment("first_comment.max_graphemes", "graphemes", graphemes, limit);
    let bytes = content.first_comment.as_ref().map_or(0, |comment| comment.text.len());
    let bytes = (bytes, BLUESKY_TEXT_BYTES_MAX);
    check.max("first_comment.max_bytes", "the first comment", "UTF-8 bytes", bytes);
    check.faults()
}

fn options(check: &mut Check<'_>) {
    let options = check.options();
    let list = |name: &str| options[name].as_array().map_or(&[][..], Vec::as_slice);
    let (langs, tags) = (list("langs"), list("tags"));
    check.max("langs.max", "options.langs", "language tags", (langs.len(), BLUESKY_LANGS_MAX));
    let long = |tag: &&str| {
        tag.len() > BLUESKY_TAG_BYTES_MAX || graphemes(tag) > BLUESKY_TAG_GRAPHEMES_MAX
    };
    let longest = tags.iter().filter_map(Value::as_str).filter(long).map(graphemes).max();
    if tags.len() > BLUESKY_TAGS_MAX || longest.is_some() {
        let limit = BLUESKY_TAGS_MAX;
        let message = match longest {
            Some(length) => format!(
                "a tag has {length} graphemes; at most {BLUESKY_TAG_GRAPHEMES_MAX} in \
                 {BLUESKY_TAG_BYTES_MAX} bytes"
            ),
            None => format!("{} tags are given; at most {limit}", tags.len()),
        };
        let hints = json!({ "measured": tags.len(), "limit": limit, "longest": longest });
        let remedy = "Use at most 8 tags of at most 64 graphemes each.";
        check.broken("tags.max", message, hints, remedy);
    }
    for name in ["replyToUri", "replyRootUri"] {
        let Some(uri) = options[name].as_str() else { continue };
        if !is_record(uri) {
            let message = format!("options.{name} is no address of a post");
            let hints = json!({ "option": name, "uri": uri.chars().take(200).collect::<String>() });
            let remedy = "Use a post's uri, such as at://did:plc:…/app.bsky.feed.post/3k….";
            check.broken("reply.uri_format", message, hints, remedy);
        }
    }
}

/// Whether this is the address of a record: repository, collection, key.
fn is_record(uri: &str) -> bool {
    let parts: Vec<&str> = uri.split('/').collect();
    matches!(parts.as_slice(), ["at:", "", repo, collection, key]
        if !repo.is_empty() && collection.contains('.') && !key.is_empty())
}
