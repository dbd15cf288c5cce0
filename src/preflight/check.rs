//! The walk over a content's rules, and the rules that platforms share under their own names.

use serde_json::{Value, json};

use super::violation::{above, blank, broken};
use crate::model::{Content, Fault, MediaKind, MediaSource, Platform};

/// What a content has been found to break so far.
pub(super) struct Check<'a> {
    pub(super) platform: Platform,
    pub(super) content: &'a Content,
    faults: Vec<Fault>,
}

impl<'a> Check<'a> {
    pub(super) const fn of(platform: Platform, content: &'a Content) -> Self {
        Self { platform, content, faults: Vec::new() }
    }

    /// Everything found.
    pub(super) fn faults(self) -> Vec<Fault> {
        self.faults
    }

    /// A broken rule. Names leave out the platform, which every rule begins with.
    pub(super) fn broken(&mut self, name: &str, message: String, hints: Value, remedy: &str) {
        let rule = self.rule(name);
        self.faults.push(broken(self.platform, &rule, message, hints, remedy.to_owned()));
    }

    /// A count that may not pass its limit.
    pub(super) fn max(&mut self, name: &str, what: &str, unit: &str, (is, limit): (usize, usize)) {
        if is > limit {
            let rule = self.rule(name);
            self.faults.push(above(self.platform, &rule, what, unit, is, limit));
        }
    }

    /// A text that needs a visible character.
    pub(super) fn visible(&mut self, name: &str, what: &str, text: &str) {
        if text.trim().is_empty() {
            let rule = self.rule(name);
            self.faults.push(blank(self.platform, &rule, what));
        }
    }

    /// Text, unless media stand for it.
    pub(super) fn text_or_media(&mut self, name: &str) {
        if self.content.media.is_empty() {
            self.visible(name, "the text", &self.content.text);
        }
    }

    /// The first comment's text needs a visible character and a length of at most `limit`, as
    /// `measure` counts it in `unit`.
    pub(super) fn comment(
        &mut self,
        name: &str,
        unit: &str,
        measure: fn(&str) -> usize,
        limit: usize,
    ) {
        let Some(comment) = &self.content.first_comment else { return };
        self.visible("first_comment.non_empty", "the first comment", &comment.text);
        self.max(name, "the first comment", unit, (measure(&comment.text), limit));
    }

    /// The platform has no comments that we could write.
    pub(super) fn no_comment(&mut self) {
        if self.content.first_comment.is_some() {
            let message = format!("a first comment was given, and {} takes none", self.platform);
            let hints = json!({ "member": "firstComment" });
            let remedy =
                "Leave firstComment out for this target, or give it at other targets only.";
            self.broken("first_comment.unsupported", message, hints, remedy);
        }
    }

    /// How many attachments of a kind there are.
    pub(super) fn count(&self, kind: MediaKind) -> usize {
        self.content.media.iter().filter(|item| item.kind == kind).count()
    }

    /// At least one attachment.
    pub(super) fn media_required(&mut self) {
        if self.content.media.is_empty() {
            let message = format!("{} takes no post without media", self.platform);
            let hints = json!({ "measured": 0, "minimum": 1 });
            self.broken("media.required", message, hints, "Attach an image or a video.");
        }
    }

    /// Images or a video, not both.
    pub(super) fn one_kind(&mut self) {
        let (images, videos) = (self.count(MediaKind::Image), self.count(MediaKind::Video));
        if images > 0 && videos > 0 {
            let message =
                format!("{images} images and {videos} videos are attached; a post shows one kind");
            let hints = json!({ "images": images, "videos": videos });
            let remedy = "Keep the images or the video.";
            self.broken("media.image_video_exclusive", message, hints, remedy);
        }
    }

    /// So many images, or one video.
    pub(super) fn images_or_video(&mut self, images_max: usize) {
        let (images, videos) = (self.count(MediaKind::Image), self.count(MediaKind::Video));
        if images > images_max || videos > 1 {
            let message =
                format!("{images} images and {videos} videos; at most {images_max} images or 1");
            let hints = json!({ "images": images, "videos": videos, "limit": images_max });
            let remedy = format!("Attach at most {images_max} images, or one video.");
            self.broken("media.count_max", message, hints, &remedy);
        }
    }

    /// The length of every alt text, as `measure` counts it in `unit`.
    pub(super) fn alt_max(
        &mut self,
        name: &str,
        unit: &str,
        measure: fn(&str) -> usize,
        limit: usize,
    ) {
        for (place, item) in self.content.media.iter().enumerate() {
            let length = item.alt_text.as_deref().map_or(0, measure);
            self.max(name, &format!("the alt text of media.{place}"), unit, (length, limit));
        }
    }

    /// The platform fetches media itself, so bytes in hand are no use to it.
    pub(super) fn media_by_url(&mut self) {
        let inline = |item: &crate::model::MediaItem| matches!(item.source, MediaSource::Inline(_));
        if let Some(place) = self.content.media.iter().position(inline) {
            // The one rule of this room without a platform in its name: all by-URL platforms
            // share it.
            self.faults.push(broken(
                self.platform,
                "media.bytes_inline_unsupported",
                format!("media.{place} is sent inline, and {} fetches media", self.platform),
                json!({ "media": place }),
                "Pass a public url instead of bytesBase64.".to_owned(),
            ));
        }
    }

    /// The platform's options.
    pub(super) fn options(&self) -> Value {
        let json = self.content.options.as_deref().unwrap_or("{}");
        serde_json::from_str(json).unwrap_or_default()
    }

    fn rule(&self, name: &str) -> String {
        format!("{}.{name}", self.platform)
    }
}
