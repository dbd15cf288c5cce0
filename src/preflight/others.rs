//! Shape rules of the platforms that need no account data: text lengths, media counts and kinds,
//! alt texts, and options that exclude each other.

use serde_json::{Value, json};

use super::limits::{
    FACEBOOK_TEXT_CHARS_MAX, INSTAGRAM_MEDIA_MAX, INSTAGRAM_TEXT_CHARS_MAX, LINKEDIN_IMAGES_MAX,
    LINKEDIN_TEXT_CHARS_MAX, THREADS_ALT_CHARS_MAX, THREADS_MEDIA_MAX, THREADS_TEXT_CHARS_MAX,
    TIKTOK_HASHTAGS_MAX, TIKTOK_TEXT_UNITS_MAX, TWITTER_ALT_CHARS_MAX, TWITTER_IMAGES_MAX,
    TWITTER_TEXT_WEIGHT_MAX, TWITTER_URL_WEIGHT,
};
use super::violation::{above, blank, broken};
use crate::model::{Content, Fault, MediaKind, Platform};

/// The rules that platforms share, under their own names.
struct Check<'a> {
    platform: Platform,
    content: &'a Content,
    faults: Vec<Fault>,
}

impl<'a> Check<'a> {
    const fn of(platform: Platform, content: &'a Content) -> Self {
        Self { platform, content, faults: Vec::new() }
    }

    fn rule(&self, name: &str) -> String {
        format!("{}.{name}", self.platform)
    }

    fn text_max(&mut self, name: &str, unit: &str, measured: usize, limit: usize) {
        if measured > limit {
            let rule = self.rule(name);
            self.faults.push(above(self.platform, &rule, "the text", unit, measured, limit));
        }
    }

    fn text_or_media(&mut self) {
        if self.content.text.trim().is_empty() && self.content.media.is_empty() {
            let rule = self.rule("text.required");
            self.faults.push(blank(self.platform, &rule, "the text"));
        }
    }

    fn media_max(&mut self, limit: usize) {
        let count = self.content.media.len();
        if count > limit {
            let rule = self.rule("media.count_max");
            let what = "the list of media";
            self.faults.push(above(self.platform, &rule, what, "items", count, limit));
        }
    }

    fn count(&self, kind: MediaKind) -> usize {
        self.content.media.iter().filter(|item| item.kind == kind).count()
    }

    fn one_kind(&mut self, images_max: usize) {
        let (images, videos) = (self.count(MediaKind::Image), self.count(MediaKind::Video));
        let hints = json!({ "images": images, "videos": videos, "imagesLimit": images_max });
        if images > 0 && videos > 0 {
            let rule = self.rule("media.image_video_exclusive");
            let message = format!("{images} images and {videos} videos; a post shows one kind");
            let remedy = "Keep the images or the video.".to_owned();
            self.faults.push(broken(self.platform, &rule, message, hints.clone(), remedy));
        }
        if images > images_max || videos > 1 {
            let rule = self.rule("media.count_max");
            let message = format!("{images} images and {videos} videos; at most {images_max} or 1");
            let remedy = format!("Attach at most {images_max} images, or one video.");
            self.faults.push(broken(self.platform, &rule, message, hints, remedy));
        }
    }

    fn alt_max(&mut self, limit: usize) {
        for item in &self.content.media {
            let chars = item.alt_text.as_deref().map_or(0, |alt| alt.chars().count());
            if chars > limit {
                let rule = self.rule("media.alt_text_max");
                let what = "an alt text";
                self.faults.push(above(self.platform, &rule, what, "characters", chars, limit));
            }
        }
    }

    fn media_required(&mut self) {
        if self.content.media.is_empty() {
            let rule = self.rule("media.required");
            let message = format!("{} takes no post without media", self.platform);
            let hints = json!({ "measured": 0, "minimum": 1 });
            let remedy = "Attach an image or a video.".to_owned();
            self.faults.push(broken(self.platform, &rule, message, hints, remedy));
        }
    }

    fn options(&self) -> Value {
        let json = self.content.options.as_deref().unwrap_or("{}");
        serde_json::from_str(json).unwrap_or_default()
    }
}

fn chars(content: &Content) -> usize {
    content.text.chars().count()
}

pub(super) fn twitter(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Twitter, content);
    check.text_or_media();
    check.text_max(
        "text.max_weighted",
        "weighted characters",
        weight(&content.text),
        TWITTER_TEXT_WEIGHT_MAX,
    );
    check.one_kind(TWITTER_IMAGES_MAX);
    check.alt_max(TWITTER_ALT_CHARS_MAX);
    check.faults
}

/// X counts every URL alike and most characters beyond Latin twice.
fn weight(text: &str) -> usize {
    let light = |c: char| {
        let c = u32::from(c);
        c <= 0x10ff || matches!(c, 0x2000..=0x200d | 0x2010..=0x201f | 0x2032..=0x2037)
    };
    text.split_inclusive(char::is_whitespace)
        .map(|word| {
            let bare = word.trim_end();
            if bare.starts_with("https://") || bare.starts_with("http://") {
                TWITTER_URL_WEIGHT + (word.len() - bare.len())
            } else {
                word.chars().map(|c| if light(c) { 1 } else { 2 }).sum()
            }
        })
        .sum()
}

pub(super) fn linkedin(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Linkedin, content);
    if content.text.trim().is_empty() {
        let rule = check.rule("text.non_empty");
        check.faults.push(blank(Platform::Linkedin, &rule, "the text"));
    }
    check.text_max("text.max_chars", "characters", chars(content), LINKEDIN_TEXT_CHARS_MAX);
    check.one_kind(LINKEDIN_IMAGES_MAX);
    check.faults
}

pub(super) fn facebook(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Facebook, content);
    check.text_or_media();
    check.text_max("text.max_chars", "characters", chars(content), FACEBOOK_TEXT_CHARS_MAX);
    check.one_kind(usize::MAX);
    check.faults
}

pub(super) fn instagram(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Instagram, content);
    check.media_required();
    check.text_max("text.max_chars", "characters", chars(content), INSTAGRAM_TEXT_CHARS_MAX);
    check.media_max(INSTAGRAM_MEDIA_MAX);
    check.faults
}

pub(super) fn threads(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Threads, content);
    check.text_or_media();
    check.text_max("text.max_chars", "characters", chars(content), THREADS_TEXT_CHARS_MAX);
    check.media_max(THREADS_MEDIA_MAX);
    check.alt_max(THREADS_ALT_CHARS_MAX);
    check.faults
}

pub(super) fn pinterest(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Pinterest, content);
    check.media_required();
    check.media_max(1);
    let video = check.count(MediaKind::Video) > 0;
    if video && check.options()["coverImageUrl"].is_null() {
        check.faults.push(broken(
            Platform::Pinterest,
            "pinterest.video.cover_required",
            "a video Pin needs a cover image".to_owned(),
            json!({ "missing": "options.coverImageUrl" }),
            "Give options.coverImageUrl.".to_owned(),
        ));
    }
    check.faults
}

pub(super) fn tiktok(content: &Content) -> Vec<Fault> {
    let mut check = Check::of(Platform::Tiktok, content);
    let units = content.text.encode_utf16().count();
    check.text_max("caption.max_units", "UTF-16 units", units, TIKTOK_TEXT_UNITS_MAX);
    let hashtags = content.text.split_whitespace().filter(|word| word.starts_with('#')).count();
    check.text_max("caption.max_hashtags", "hashtags", hashtags, TIKTOK_HASHTAGS_MAX);
    if check.count(MediaKind::Video) != 1 || content.media.len() != 1 {
        check.faults.push(broken(
            Platform::Tiktok,
            "tiktok.media.single_video",
            format!("{} items are attached; a TikTok post is one video", content.media.len()),
            json!({ "measured": content.media.len(), "limit": 1 }),
            "Attach exactly one video.".to_owned(),
        ));
    }
    let options = check.options();
    if options["brandContentToggle"] == true && options["brandOrganicToggle"] == true {
        check.faults.push(broken(
            Platform::Tiktok,
            "tiktok.branded_content.mutual_exclusive",
            "brandContentToggle and brandOrganicToggle exclude each other".to_owned(),
            json!({ "options": ["brandContentToggle", "brandOrganicToggle"] }),
            "Keep one of them.".to_owned(),
        ));
    }
    check.faults
}

#[cfg(test)]
mod tests {
    use super::super::shape;
    use super::*;
    use crate::model::{FirstComment, MediaItem, MediaSource};

    fn media(kind: MediaKind, count: usize) -> Vec<MediaItem> {
        let source = MediaSource::Url("https://e.org/a".into());
        vec![MediaItem { kind, alt_text: None, source }; count]
    }

    fn check(platform: Platform, content: Content, rules: &[&str]) {
        let got = shape(platform, &content);
        let names: Vec<&str> = got.iter().filter_map(|fault| fault.rule.as_deref()).collect();
        assert_eq!(names, rules, "{platform} {:.60}", content.text);
        assert!(got.iter().all(|fault| fault.remediation.is_some() && fault.platform.is_some()));
    }

    fn text(text: &str) -> Content {
        Content { text: text.into(), ..Content::default() }
    }

    #[test]
    fn each_limit_holds_at_its_edge() {
        use MediaKind::{Image, Video};
        use Platform::*;
        let long = |n: usize| text(&"a".repeat(n));
        let with = |kind, count| Content { media: media(kind, count), ..text("hi") };
        let mixed = Content { media: [media(Image, 1), media(Video, 1)].concat(), ..text("hi") };
        let flags = "👨‍👩‍👧‍👦".repeat(121);
        check(Bluesky, long(300), &[]);
        check(Bluesky, long(301), &["bluesky.text.max_graphemes"]);
        check(Bluesky, text(&flags), &["bluesky.text.max_bytes"]);
        check(Bluesky, text(" \n"), &["bluesky.text.non_empty"]);
        check(Bluesky, Content { media: media(Image, 4), ..text("") }, &[]);
        check(Bluesky, with(Image, 5), &["bluesky.media.count_max"]);
        check(Bluesky, with(Video, 2), &["bluesky.media.count_max"]);
        check(Bluesky, mixed.clone(), &["bluesky.media.image_video_exclusive"]);
        let comment = |text: &str| Some(FirstComment { text: text.into() });
        let commented = Content { first_comment: comment(&"a".repeat(301)), ..text("hi") };
        check(Bluesky, commented, &["bluesky.first_comment.max_graphemes"]);
        let reply = Content { options: Some(r#"{"replyToUri":"http://x"}"#.into()), ..text("hi") };
        check(Bluesky, reply, &["bluesky.reply.uri_format"]);
        check(Sandbox, long(3_000), &[]);
        check(Sandbox, long(3_001), &["sandbox.text.max_chars"]);
        check(Sandbox, with(Image, 11), &["sandbox.media.count_max"]);
        check(Twitter, long(280), &[]);
        check(Twitter, long(281), &["twitter.text.max_weighted"]);
        check(Twitter, text(&format!("https://e.org/{}", "a".repeat(500))), &[]);
        check(Twitter, text(&"日".repeat(141)), &["twitter.text.max_weighted"]);
        check(Linkedin, text(""), &["linkedin.text.non_empty"]);
        check(Linkedin, long(3_001), &["linkedin.text.max_chars"]);
        check(Facebook, text(""), &["facebook.text.required"]);
        check(Facebook, mixed, &["facebook.media.image_video_exclusive"]);
        check(Instagram, text("hi"), &["instagram.media.required"]);
        check(Instagram, with(Image, 11), &["instagram.media.count_max"]);
        check(Threads, long(501), &["threads.text.max_chars"]);
        check(Pinterest, with(Video, 1), &["pinterest.video.cover_required"]);
        check(Tiktok, with(Image, 1), &["tiktok.media.single_video"]);
    }
}
