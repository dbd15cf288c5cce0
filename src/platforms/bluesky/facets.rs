//! Rich text: links, mentions and hashtags, found in the text and marked by byte offsets.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::preflight::limits::{BLUESKY_TAG_BYTES_MAX, BLUESKY_TAG_GRAPHEMES_MAX};

/// A marked span of a text. Offsets are of UTF-8 bytes, the end exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

/// What a span is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// An address.
    Link(String),
    /// A handle, without its `@`.
    Mention(String),
    /// A hashtag, without its `#`.
    Tag(String),
}

/// The marked spans of a text, in order.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    words(text).filter_map(|(start, word)| token(start, word)).collect()
}

/// The handles that a text mentions, in order, each once, lower case.
pub(super) fn handles(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for token in tokens(text) {
        if let Kind::Mention(handle) = token.kind {
            let handle = handle.to_lowercase();
            if !out.contains(&handle) {
                out.push(handle);
            }
        }
    }
    out
}

/// The facets of a text; a mention whose DID is not known stays plain.
pub(super) fn facets(text: &str, dids: &BTreeMap<String, String>) -> Vec<Value> {
    tokens(text)
        .into_iter()
        .filter_map(|token| {
            let feature = match &token.kind {
                Kind::Link(uri) => json!({ "$type": "app.bsky.richtext.facet#link", "uri": uri }),
                Kind::Mention(handle) => {
                    let did = dids.get(&handle.to_lowercase())?;
                    json!({ "$type": "app.bsky.richtext.facet#mention", "did": did })
                }
                Kind::Tag(tag) => json!({ "$type": "app.bsky.richtext.facet#tag", "tag": tag }),
            };
            Some(json!({
                "index": { "byteStart": token.start, "byteEnd": token.end },
                "features": [feature],
            }))
        })
        .collect()
}

/// Runs without white space, with their offsets. Opening brackets and quotes are left out.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(char::is_whitespace).filter(|word| !word.is_empty()).map(move |word| {
        let inner = word.trim_start_matches(['(', '[', '{', '"', '\'', '“', '‘', '«', '<']);
        let offset = inner.as_ptr() as usize - text.as_ptr() as usize;
        (offset, inner)
    })
}

fn token(start: usize, word: &str) -> Option<Token> {
    let (kind, bytes) = if let Some(rest) = word.strip_prefix('@') {
        let handle = handle(rest)?;
        (Kind::Mention(handle.to_owned()), 1 + handle.len())
    } else if word.starts_with('#') || word.starts_with('＃') {
        let mark = word.chars().next().map_or(0, char::len_utf8);
        let tag = tag(&word[mark..])?;
        (Kind::Tag(tag.to_owned()), mark + tag.len())
    } else {
        let lower = word.get(..8.min(word.len())).map(str::to_ascii_lowercase)?;
        if !lower.starts_with("https://") && !lower.starts_with("http://") {
            return None;
        }
        let link = link(word)?;
        (Kind::Link(link.to_owned()), link.len())
    };
    Some(Token { start, end: start + bytes, kind })
}

/// A handle is a domain name: labels of letters, digits and hyphens, at least two.
fn handle(rest: &str) -> Option<&str> {
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'))
        .unwrap_or(rest.len());
    let handle = rest[..end].trim_end_matches(['.', '-']);
    let labels: Vec<&str> = handle.split('.').collect();
    let label = |label: &&str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let top = labels.last()?;
    let sound = labels.len() >= 2
        && labels.iter().all(label)
        && top.starts_with(|c: char| c.is_ascii_alphabetic())
        && handle.len() <= 253;
    sound.then_some(handle)
}

/// A tag holds more than digits and loses the punctuation at its end.
fn tag(rest: &str) -> Option<&str> {
    let end = rest.find(['#', '＃']).unwrap_or(rest.len());
    let closes = |c: char| !c.is_alphanumeric() && !is_mark(c);
    let tag = rest[..end].trim_end_matches(closes);
    let sound = tag.chars().any(|c| !c.is_ascii_digit())
        && tag.chars().any(char::is_alphanumeric)
        && tag.len() <= BLUESKY_TAG_BYTES_MAX
        && tag.graphemes(true).count() <= BLUESKY_TAG_GRAPHEMES_MAX;
    sound.then_some(tag)
}

/// Characters that end a word and belong to it: combining marks and emoji parts.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036f | 0x0900..=0x0dff | 0x0e00..=0x0eff | 0xfe0f | 0x200d)
        || u32::from(c) >= 0x1_f000
        || matches!(u32::from(c), 0x2600..=0x27bf)
        || c == '_'
}

/// Whether a text closes more brackets of a kind than it opens.
fn unopened(text: &str, open: char, close: char) -> bool {
    text.matches(close).count() > text.matches(open).count()
}

/// A link loses the punctuation that ends the sentence, and a bracket it did not open.
fn link(word: &str) -> Option<&str> {
    let mut link = word;
    loop {
        let last = link.chars().next_back()?;
        let stray = match last {
            ')' => unopened(link, '(', ')'),
            ']' => unopened(link, '[', ']'),
            '}' => unopened(link, '{', '}'),
            _ => false,
        };
        let ends =
            matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '"' | '\'' | '”' | '’' | '»' | '>');
        if !stray && !ends {
            break;
        }
        link = &link[..link.len() - last.len_utf8()];
    }
    let sound = url::Url::parse(link).is_ok_and(|url| {
        url.host_str().is_some_and(|host| host.contains('.') || host == "localhost")
    });
    sound.then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let got: Vec<(String, String)> = tokens(text)
            .into_iter()
            .map(|token| {
                let kind = match token.kind {
                    Kind::Link(uri) => format!("link {uri}"),
                    Kind::Mention(handle) => format!("mention {handle}"),
                    Kind::Tag(tag) => format!("tag {tag}"),
                };
                (text[token.start..token.end].to_owned(), kind)
            })
            .collect();
        let expected: Vec<(String, String)> =
            expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn links_mentions_and_tags_are_found() {
        check("plain text", &[]);
        check(
            "see https://example.com/a?b=c.",
            &[("https://example.com/a?b=c", "link https://example.com/a?b=c")],
        );
        check("(https://e.org/x)", &[("https://e.org/x", "link https://e.org/x")]);
        check("https://e.org/a_(b)", &[("https://e.org/a_(b)", "link https://e.org/a_(b)")]);
        check("(https://e.org/a_(b)).", &[("https://e.org/a_(b)", "link https://e.org/a_(b)")]);
        check("https:// and http://nodots", &[]);
        check("🎉🎉 hi @me.bsky.social!", &[("@me.bsky.social", "mention me.bsky.social")]);
        check("mail me@example.com", &[]);
        check("@nodots @a..b @-a.com", &[]);
        check(
            "#rust, #2026 #a1! #日本語。",
            &[("#rust", "tag rust"), ("#a1", "tag a1"), ("#日本語", "tag 日本語")],
        );
        check("#one#two", &[("#one", "tag one")]);
        check("ж #тест_x", &[("#тест_x", "tag тест_x")]);
        check("# #! #_", &[]);
    }

    #[test]
    fn offsets_are_of_bytes_and_unknown_handles_stay_plain() {
        let dids = BTreeMap::from([("a.test".to_owned(), "did:plc:a".to_owned())]);
        let got = facets("é @A.test @b.test", &dids);
        assert_eq!(got.len(), 1);
        assert_eq!(got[0]["index"], json!({ "byteStart": 3, "byteEnd": 10 }));
        assert_eq!(got[0]["features"][0]["did"], "did:plc:a");
        assert_eq!(handles("@A.test @a.test @b.test"), ["a.test", "b.test"]);
    }

    proptest! {
        #[test]
        fn spans_lie_on_characters_and_do_not_overlap(text in "(\\PC|[@#. ]|https://|é|🎉){0,60}") {
            let mut last = 0;
            for token in tokens(&text) {
                prop_assert!(text.is_char_boundary(token.start));
                prop_assert!(text.is_char_boundary(token.end));
                prop_assert!(last <= token.start && token.start < token.end);
                let span = &text[token.start..token.end];
                let inner = match &token.kind {
                    Kind::Link(uri) => uri.clone(),
                    Kind::Mention(handle) => format!("@{handle}"),
                    Kind::Tag(tag) => format!("{}{tag}", &span[..span.len() - tag.len()]),
                };
                prop_assert_eq!(span, inner);
                last = token.end;
            }
        }
    }
}
