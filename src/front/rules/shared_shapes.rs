//! Rules about the shape of content that several platforms have under their own names.

use super::rule::Rule;
use crate::model::Code;

const UNFIT: &[Code] = &[Code::PreflightFailed];

/// A rule that content breaks.
pub(super) const fn shape(name: &'static str, summary: &'static str, remedy: &'static str) -> Rule {
    Rule::new(name, UNFIT, summary, remedy)
}

pub(super) const fn text_blank(name: &'static str) -> Rule {
    shape(
        name,
        "The text has no visible character, and no media that may stand for it.",
        "Write at least one visible character.",
    )
}

pub(super) const fn text_long(name: &'static str) -> Rule {
    shape(
        name,
        "The text is longer than the platform takes.",
        "Shorten it; a target may have a text of its own.",
    )
}

pub(super) const fn comment_blank(name: &'static str) -> Rule {
    shape(
        name,
        "The first comment has no visible character.",
        "Write at least one visible character, or leave firstComment out.",
    )
}

pub(super) const fn comment_long(name: &'static str) -> Rule {
    shape(
        name,
        "The first comment is longer than the platform takes.",
        "Shorten it; a target may have a first comment of its own.",
    )
}

pub(super) const fn comment_none(name: &'static str) -> Rule {
    shape(
        name,
        "The platform has no comments that could be written here.",
        "Leave firstComment out for this target, or give it at other targets only.",
    )
}

pub(super) const fn alt_long(name: &'static str) -> Rule {
    shape(
        name,
        "The description of an attachment is longer than the platform takes.",
        "Shorten the attachment's altText.",
    )
}

pub(super) const fn media_missing(name: &'static str) -> Rule {
    shape(name, "The platform takes no post without media.", "Attach an image or a video.")
}

pub(super) const fn media_many(name: &'static str) -> Rule {
    shape(
        name,
        "More is attached than one post of the platform shows.",
        "Attach fewer, or spread them over several posts.",
    )
}

/// The limit is one of images; a video stands alone.
pub(super) const fn images_or_video(name: &'static str) -> Rule {
    shape(
        name,
        "More images are attached than one post of the platform shows, or more than one video.",
        "Attach fewer images, or one video.",
    )
}

pub(super) const fn one_kind(name: &'static str) -> Rule {
    shape(
        name,
        "Images and a video are attached; a post of the platform shows one kind.",
        "Keep the images or the video.",
    )
}

pub(super) const fn one_only(name: &'static str) -> Rule {
    shape(
        name,
        "More than one file is attached; a post of the platform shows one.",
        "Keep one attachment.",
    )
    .max(1, "items")
}

pub(super) const fn hashtags_many(name: &'static str) -> Rule {
    shape(name, "The text has more hashtags than the platform takes.", "Remove some of them.")
}
