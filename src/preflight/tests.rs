//! Every rule at its edge: the last content that holds and the first that does not.

use serde_json::{Value, json};

use super::{shape, violations_json};
use crate::model::MediaKind::{Image, Video};
use crate::model::Platform::*;
use crate::model::{
    Code, Content, Digest, FirstComment, MediaItem, MediaKind, MediaSource, Platform, SendOutcome,
};

fn text(text: impl Into<String>) -> Content {
    Content { text: text.into(), ..Content::default() }
}

fn long(letters: usize) -> Content {
    text("a".repeat(letters))
}

fn media(kind: MediaKind, count: usize, alt: usize) -> Vec<MediaItem> {
    let source = MediaSource::Url("https://e.org/a".into());
    vec![MediaItem { kind, alt_text: Some("a".repeat(alt)), source }; count]
}

fn with(kind: MediaKind, count: usize) -> Content {
    Content { media: media(kind, count, 0), ..text("hi") }
}

fn alt(kind: MediaKind, letters: usize) -> Content {
    Content { media: media(kind, 1, letters), ..text("hi") }
}

fn mixed() -> Content {
    Content { media: [media(Image, 1, 0), media(Video, 1, 0)].concat(), ..text("hi") }
}

fn comment(text: impl Into<String>, content: Content) -> Content {
    Content { first_comment: Some(FirstComment { text: text.into() }), ..content }
}

fn options(options: Value, content: Content) -> Content {
    Content { options: Some(options.to_string()), ..content }
}

#[track_caller]
fn check(platform: Platform, content: Content, rules: &str) {
    let got = shape(platform, &content);
    let names: Vec<&str> = got.iter().filter_map(|fault| fault.rule.as_deref()).collect();
    let expected: Vec<String> = rules
        .split_whitespace()
        .map(|rule| {
            if rule.starts_with("media.bytes") { rule.into() } else { format!("{platform}.{rule}") }
        })
        .collect();
    assert_eq!(names, expected, "{platform} {:.60}", content.text);
    for fault in &got {
        assert_eq!((fault.code, fault.platform), (Code::PreflightFailed, Some(platform)));
        assert_eq!((fault.outcome, fault.http_status()), (Some(SendOutcome::NotSent), 400));
        assert!(fault.remediation.as_ref().is_some_and(|text| !text.is_empty()), "{fault:?}");
        let hints = fault.platform_response.as_deref().expect("hints");
        assert!(serde_json::from_str::<Value>(hints).is_ok_and(|hints| hints.is_object()));
    }
}

#[test]
fn bluesky() {
    check(Bluesky, long(300), "");
    check(Bluesky, long(301), "text.max_graphemes");
    check(Bluesky, text("👨‍👩‍👧‍👦".repeat(120)), "");
    check(Bluesky, text("👨‍👩‍👧‍👦".repeat(121)), "text.max_bytes");
    check(Bluesky, text(" \n"), "text.non_empty");
    check(Bluesky, Content { media: media(Image, 4, 0), ..text("") }, "");
    check(Bluesky, with(Image, 5), "media.count_max");
    check(Bluesky, with(Video, 1), "");
    check(Bluesky, with(Video, 2), "media.count_max");
    check(Bluesky, mixed(), "media.image_video_exclusive");
    check(Bluesky, alt(Image, 2_000), "");
    check(Bluesky, alt(Image, 2_001), "media.alt_text_max_graphemes");
    check(Bluesky, comment("a".repeat(300), text("hi")), "");
    check(Bluesky, comment("a".repeat(301), text("hi")), "first_comment.max_graphemes");
    check(Bluesky, comment("👨‍👩‍👧‍👦".repeat(121), text("hi")), "first_comment.max_bytes");
    check(Bluesky, comment(" ", text("hi")), "first_comment.non_empty");
    let with = |value: Value| options(value, text("hi"));
    check(Bluesky, with(json!({ "langs": ["a", "b", "c"], "tags": vec!["a"; 8] })), "");
    check(Bluesky, with(json!({ "langs": vec!["a"; 4] })), "langs.max");
    check(Bluesky, with(json!({ "tags": vec!["a"; 9] })), "tags.max");
    check(Bluesky, with(json!({ "tags": ["a".repeat(64)] })), "");
    check(Bluesky, with(json!({ "tags": ["a".repeat(65)] })), "tags.max");
    let sound = "at://did:plc:a/app.bsky.feed.post/3k";
    check(Bluesky, with(json!({ "replyToUri": sound, "replyRootUri": sound })), "");
    for uri in ["http://x", "at://did:plc:a", "at://did:plc:a/app.bsky.feed.post/", "at:///a.b/c"] {
        check(Bluesky, with(json!({ "replyToUri": uri })), "reply.uri_format");
    }
    let all = comment("", Content { media: media(Image, 5, 2_001), ..long(301) });
    let five = "media.alt_text_max_graphemes ".repeat(5);
    let rules = format!("text.max_graphemes media.count_max {five} first_comment.non_empty");
    check(Bluesky, all, &rules);
}

#[test]
fn sandbox() {
    check(Sandbox, long(3_000), "");
    check(Sandbox, long(3_001), "text.max_chars");
    check(Sandbox, text(""), "text.non_empty");
    check(Sandbox, Content { media: media(Video, 10, 0), ..text("") }, "");
    check(Sandbox, with(Image, 11), "media.count_max");
    check(Sandbox, comment("a".repeat(3_000), text("hi")), "");
    check(Sandbox, comment("a".repeat(3_001), text("hi")), "first_comment.max_chars");
    check(Sandbox, comment("\t", text("hi")), "first_comment.non_empty");
}

#[test]
fn twitter() {
    check(Twitter, long(280), "");
    check(Twitter, long(281), "text.max_graphemes");
    check(Twitter, text(format!("https://e.org/{}", "a".repeat(500))), "");
    check(Twitter, text("日".repeat(140)), "");
    check(Twitter, text("日".repeat(141)), "text.max_graphemes");
    check(Twitter, text("👨‍👩‍👧‍👦".repeat(140)), "");
    check(Twitter, text(""), "text.non_empty");
    check(Twitter, Content { media: media(Image, 4, 0), ..text("") }, "");
    check(Twitter, with(Image, 5), "media.count_max");
    check(Twitter, mixed(), "media.image_video_exclusive");
    check(Twitter, alt(Image, 1_000), "");
    check(Twitter, alt(Image, 1_001), "media.alt_text_max_graphemes");
    check(Twitter, comment("a".repeat(281), text("hi")), "first_comment.max_graphemes");
}

#[test]
fn linkedin() {
    check(Linkedin, long(3_000), "");
    check(Linkedin, text("👍".repeat(1_501)), "text.max_graphemes");
    check(Linkedin, text(""), "text.non_empty");
    check(Linkedin, with(Image, 20), "");
    check(Linkedin, with(Image, 21), "media.count_max");
    check(Linkedin, with(Video, 2), "media.video_count_max");
    check(Linkedin, mixed(), "media.image_video_exclusive");
    check(Linkedin, alt(Image, 4_087), "media.alt_text_max");
    check(Linkedin, comment("a".repeat(1_250), text("hi")), "");
    check(Linkedin, comment("a".repeat(1_251), text("hi")), "first_comment.max_chars");
}

#[test]
fn facebook_and_instagram() {
    check(Facebook, long(63_206), "");
    check(Facebook, long(63_207), "text.max_graphemes");
    check(Facebook, text(""), "text.required");
    check(Facebook, with(Image, 10), "");
    check(Facebook, with(Image, 11), "media.count_max");
    check(Facebook, with(Video, 2), "media.count_max");
    check(Facebook, mixed(), "media.image_video_exclusive");
    check(Instagram, text("hi"), "media.required");
    check(Instagram, with(Image, 10), "");
    check(Instagram, with(Image, 11), "media.count_max");
    check(Instagram, alt(Image, 1_001), "media.alt_text_max_graphemes");
    let caption = |text: String| Content { text, ..with(Image, 1) };
    check(Instagram, caption("a".repeat(2_201)), "text.max_graphemes");
    check(Instagram, caption("#a ".repeat(30)), "");
    check(Instagram, caption("#a ".repeat(31)), "text.hashtag_max");
    check(Instagram, caption("@a ".repeat(21)), "text.mention_max");
    let mut inline = with(Image, 1);
    inline.media[0].source = MediaSource::Inline(Digest([0; 32]));
    for platform in [Facebook, Instagram, Threads, Pinterest] {
        check(platform, inline.clone(), "media.bytes_inline_unsupported");
    }
    for platform in [Bluesky, Sandbox, Twitter, Linkedin] {
        check(platform, inline.clone(), "");
    }
}

#[test]
fn threads() {
    check(Threads, long(500), "");
    check(Threads, long(501), "text.max_graphemes");
    check(Threads, text("👍".repeat(125)), "");
    check(Threads, text("👍".repeat(126)), "text.max_weighted");
    check(Threads, text(""), "text.required");
    let links = |count| text((0..count).map(|n| format!("http://e.org/{n} ")).collect::<String>());
    check(Threads, links(5), "");
    check(Threads, links(6), "text.links_max");
    check(Threads, text("http://e.org ".repeat(6)), "");
    check(Threads, with(Image, 20), "");
    check(Threads, with(Image, 21), "media.count_max");
    check(Threads, alt(Image, 1_001), "media.alt_text_max_graphemes");
    check(Threads, comment("a".repeat(501), text("hi")), "first_comment.max_chars");
}

#[test]
fn pinterest() {
    check(Pinterest, text("hi"), "media.required");
    check(Pinterest, with(Image, 1), "");
    check(Pinterest, with(Image, 2), "media.single_only");
    check(Pinterest, with(Video, 1), "video.cover_required");
    let covered = json!({ "coverImageUrl": "https://e.org/c" });
    check(Pinterest, options(covered, with(Video, 1)), "");
    check(Pinterest, Content { text: "a".repeat(801), ..with(Image, 1) }, "description.max_chars");
    check(Pinterest, alt(Image, 501), "media.alt_text_max");
    let long = json!({ "title": "a".repeat(101), "destinationUrl": "a".repeat(2_049) });
    check(Pinterest, options(long, with(Image, 1)), "title.max_chars link.max_chars");
    check(Pinterest, comment("c", with(Image, 1)), "first_comment.unsupported");
}

#[test]
fn tiktok() {
    check(Tiktok, with(Video, 1), "");
    check(Tiktok, text("hi"), "media.required");
    check(Tiktok, with(Video, 2), "media.single_only");
    check(Tiktok, with(Image, 1), "media.video_required");
    let caption = |text: String| Content { text, ..with(Video, 1) };
    check(Tiktok, caption("a".repeat(2_200)), "");
    check(Tiktok, caption("👍".repeat(1_101)), "text.max_chars");
    check(Tiktok, caption("#a ".repeat(101)), "text.hashtag_max");
    let with = |value: Value| options(value, with(Video, 1));
    let both = json!({ "brandContentToggle": true, "brandOrganicToggle": true,
        "privacy": "public_to_everyone" });
    check(Tiktok, with(both), "branded_content.mutual_exclusive");
    check(Tiktok, with(json!({ "brandContentToggle": true })), "branded_content.private");
    check(Tiktok, with(json!({ "brandOrganicToggle": true })), "");
    check(Tiktok, comment("c", self::with(Video, 1)), "first_comment.unsupported");
}

#[test]
fn all_violations_are_told_with_the_place_of_their_target() {
    let broken = shape(Bluesky, &Content { media: media(Image, 5, 0), ..long(301) });
    let told: Value = serde_json::from_str(&violations_json(3, &broken)).expect("JSON");
    assert_eq!(
        (&told["targetIndex"], &told["measured"], &told["limit"]),
        (&json!(3), &json!(301), &json!(300))
    );
    let rules: Vec<&Value> =
        told["violations"].as_array().expect("a list").iter().map(|one| &one["rule"]).collect();
    assert_eq!(rules, ["bluesky.text.max_graphemes", "bluesky.media.count_max"]);
    assert_eq!(told["violations"][1]["hints"]["images"], 5);
}
