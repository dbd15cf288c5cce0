//! How platforms count.

use unicode_segmentation::UnicodeSegmentation as _;

use super::limits::TWITTER_URL_WEIGHT;

/// Unicode scalar values.
pub(super) fn chars(text: &str) -> usize {
    text.chars().count()
}

/// UTF-16 code units.
pub(super) fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Extended grapheme clusters.
pub(super) fn graphemes(text: &str) -> usize {
    if text.is_ascii() {
        // Two of its characters are one cluster where they end a line (rule GB3 of UAX 29).
        return text.len() - text.matches("\r\n").count();
    }
    text.graphemes(true).count()
}

/// X's weighted length: a URL counts alike whatever its length, an emoji sequence and most
/// characters beyond Latin count two, a composed letter one. Bare domains count as plain text.
pub(super) fn twitter(text: &str) -> usize {
    pieces(text)
        .map(|piece| match piece {
            Piece::Link(_) => TWITTER_URL_WEIGHT,
            Piece::Text(text) => text.graphemes(true).map(twitter_cluster).sum(),
        })
        .sum()
}

fn twitter_cluster(cluster: &str) -> usize {
    if is_emoji(cluster) {
        return 2;
    }
    let light =
        |c: u32| c <= 0x10ff || matches!(c, 0x2000..=0x200d | 0x2010..=0x201f | 0x2032..=0x2037);
    let mark = |c: u32| matches!(c, 0x300..=0x36f);
    let weigh = |c: u32| if light(c) { 1 } else { 2 };
    let bare: usize = cluster.chars().map(u32::from).filter(|c| !mark(*c)).map(weigh).sum();
    bare.max(1)
}

/// Threads' weighted length: an emoji counts its UTF-8 bytes.
pub(super) fn threads(text: &str) -> usize {
    text.graphemes(true)
        .map(|cluster| if is_emoji(cluster) { cluster.len() } else { chars(cluster) })
        .sum()
}

/// Whether a grapheme cluster shows as an emoji.
fn is_emoji(cluster: &str) -> bool {
    let joined = |c: char| matches!(u32::from(c), 0x200d | 0xfe0f | 0x20e3);
    let pictured = |c: char| matches!(u32::from(c), 0x1f000..=0x1faff);
    cluster.chars().any(pictured) || (cluster.chars().nth(1).is_some() && cluster.contains(joined))
}

/// Words that begin with a mark (`#`, `@`) and go on with a letter, digit or underscore.
pub(super) fn marked(text: &str, mark: char) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut before = ' ';
    let mut count = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == mark && !word(before) && rest.peek().is_some_and(|next| word(*next)) {
            count += 1;
        }
        before = c;
    }
    count
}

/// The http and https addresses in a text, without what punctuation follows them.
pub(super) fn links(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Link(link) => Some(link),
        Piece::Text(_) => None,
    })
}

enum Piece<'a> {
    Text(&'a str),
    Link(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (start, end) = next_link(rest).unwrap_or((rest.len(), rest.len()));
        let at = if start == 0 { end } else { start };
        let piece = if start == 0 { Piece::Link(&rest[..at]) } else { Piece::Text(&rest[..at]) };
        rest = &rest[at..];
        Some(piece)
    })
}

/// Where the next address begins and ends.
fn next_link(text: &str) -> Option<(usize, usize)> {
    let starts = text.match_indices("http").map(|(at, _)| at);
    starts.filter(|at| !text[..*at].ends_with(char::is_alphanumeric)).find_map(|at| {
        let host = ["https://", "http://"]
            .iter()
            .find_map(|scheme| text[at..].starts_with(scheme).then_some(at + scheme.len()))?;
        let tail = &text[host..];
        let word = &tail[..tail.find(char::is_whitespace).unwrap_or(tail.len())];
        let bare = word.trim_end_matches(|c: char| ".,;:!?'\")]}>…".contains(c));
        (!bare.is_empty()).then_some((at, host + bare.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_weighs_links_emoji_and_scripts() {
        let long = format!("https://e.org/{}", "a".repeat(500));
        for (text, expected) in [
            ("", 0),
            ("abc", 3),
            ("é", 1),
            ("e\u{301}", 1),
            ("日本", 4),
            ("👨‍👩‍👧‍👦", 2),
            ("👍🏽", 2),
            ("❤\u{fe0f}", 2),
            ("🇩🇪", 2),
            ("“x”", 3),
            (long.as_str(), 23),
            ("https://e.org/a.", 24),
            ("(http://e.org)", 25),
            ("see https://e.org and http://e.org", 4 + 23 + 5 + 23),
            ("https://", 8),
            ("xhttps://e.org", 14),
        ] {
            assert_eq!(twitter(text), expected, "{text}");
        }
    }

    #[test]
    fn clusters_of_ascii_are_those_of_the_library() {
        let all: String = (0..=127_u8).map(char::from).collect();
        for text in ["", "a", "\r\n", "\r\r\n\n\r", "a\r\nb\n\r", all.as_str()] {
            assert_eq!(graphemes(text), text.graphemes(true).count(), "{text:?}");
        }
        for (first, second) in all.chars().flat_map(|one| all.chars().map(move |two| (one, two))) {
            let text = format!("{first}{second}");
            assert_eq!(graphemes(&text), text.graphemes(true).count(), "{text:?}");
        }
    }

    #[test]
    fn threads_counts_the_bytes_of_an_emoji() {
        for (text, expected) in [("abc", 3), ("日本", 2), ("👍", 4), ("a👨‍👩‍👧‍👦", 26)]
        {
            assert_eq!(threads(text), expected, "{text}");
        }
    }

    #[test]
    fn marks_and_links_are_found() {
        assert_eq!(marked("#a x#b #1 # #_c ##d (#é)", '#'), 5);
        assert_eq!(marked("@a me@b.org @", '@'), 1);
        let found: Vec<&str> = links("a https://e.org/1, (http://e.org) ftp://x http://").collect();
        assert_eq!(found, ["https://e.org/1", "http://e.org"]);
    }
}
