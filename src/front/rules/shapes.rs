//! What each platform takes, as `preflight` and the codecs' inspections of bytes check it.

use super::rule::Rule;
use super::shared_shapes::{
    alt_long, comment_blank, comment_long, comment_none, hashtags_many, images_or_video,
    media_many, media_missing, one_kind, one_only, shape, text_blank, text_long,
};
use crate::preflight::limits::{
    BLUESKY_ALT_GRAPHEMES_MAX, BLUESKY_IMAGE_BYTES_MAX, BLUESKY_IMAGES_MAX, BLUESKY_LANGS_MAX,
    BLUESKY_TAGS_MAX, BLUESKY_TEXT_BYTES_MAX, BLUESKY_TEXT_GRAPHEMES_MAX, BLUESKY_VIDEO_BYTES_MAX,
    FACEBOOK_IMAGES_MAX, FACEBOOK_TEXT_CHARS_MAX, INSTAGRAM_ALT_CHARS_MAX, INSTAGRAM_HASHTAGS_MAX,
    INSTAGRAM_MEDIA_MAX, INSTAGRAM_MENTIONS_MAX, INSTAGRAM_TEXT_CHARS_MAX, LINKEDIN_ALT_CHARS_MAX,
    LINKEDIN_COMMENT_UNITS_MAX, LINKEDIN_IMAGES_MAX, LINKEDIN_TEXT_UNITS_MAX,
    PINTEREST_ALT_CHARS_MAX, PINTEREST_LINK_CHARS_MAX, PINTEREST_TEXT_CHARS_MAX,
    PINTEREST_TITLE_CHARS_MAX, SANDBOX_MEDIA_MAX, SANDBOX_TEXT_CHARS_MAX, THREADS_ALT_CHARS_MAX,
    THREADS_LINKS_MAX, THREADS_MEDIA_MAX, THREADS_TEXT_CHARS_MAX, TIKTOK_HASHTAGS_MAX,
    TIKTOK_TEXT_UNITS_MAX, TWITTER_ALT_CHARS_MAX, TWITTER_IMAGES_MAX, TWITTER_TEXT_WEIGHT_MAX,
};

const BSKY_POST: &str = "the lexicon app.bsky.feed.post";
const BSKY_IMAGES: &str = "the lexicon app.bsky.embed.images";
const BSKY_VIDEO: &str = "the lexicon app.bsky.embed.video";
const BSKY_APP: &str = "a convention of Bluesky's app; the lexicon sets none";
const X_API: &str = "the X API reference";
const LINKEDIN_POSTS: &str = "LinkedIn's Posts API";
const LINKEDIN_IMAGES: &str = "LinkedIn's MultiImage API";
const LINKEDIN_COMMENTS: &str = "LinkedIn's Comments API";
const GRAPH_API: &str = "Facebook's Graph API";
const REFERENCE: &str = "letmepost.dev";
const INSTAGRAM_API: &str = "Instagram's Content Publishing API";
const THREADS_API: &str = "the Threads API";
const PINS_API: &str = "Pinterest's Pins API";
const TIKTOK_API: &str = "TikTok's Content Posting API";

const UTF16: &str = "UTF-16 units";
const WEIGHTED: &str = "characters as X weighs them";

pub(super) const RULES: &[Rule] = &[
    // Bluesky.
    text_blank("bluesky.text.non_empty"),
    text_long("bluesky.text.max_graphemes")
        .max(BLUESKY_TEXT_GRAPHEMES_MAX, "graphemes")
        .from(BSKY_POST),
    text_long("bluesky.text.max_bytes").max(BLUESKY_TEXT_BYTES_MAX, "UTF-8 bytes").from(BSKY_POST),
    comment_blank("bluesky.first_comment.non_empty"),
    comment_long("bluesky.first_comment.max_graphemes")
        .max(BLUESKY_TEXT_GRAPHEMES_MAX, "graphemes")
        .from(BSKY_POST),
    comment_long("bluesky.first_comment.max_bytes")
        .max(BLUESKY_TEXT_BYTES_MAX, "UTF-8 bytes")
        .from(BSKY_POST),
    one_kind("bluesky.media.image_video_exclusive"),
    images_or_video("bluesky.media.count_max").max(BLUESKY_IMAGES_MAX, "images").from(BSKY_IMAGES),
    alt_long("bluesky.media.alt_text_max_graphemes")
        .max(BLUESKY_ALT_GRAPHEMES_MAX, "graphemes")
        .from(BSKY_APP),
    shape(
        "bluesky.media.mime_allowed",
        "An attachment is of a kind that Bluesky's apps do not show.",
        "Re-encode it as one of the kinds that the message lists.",
    ),
    shape("bluesky.media.image_size_max", "An image is too large.", "Compress or shrink it.")
        .measured(BLUESKY_IMAGE_BYTES_MAX, "bytes")
        .from(BSKY_IMAGES),
    shape("bluesky.media.video_size_max", "A video is too large.", "Compress or shorten it.")
        .measured(BLUESKY_VIDEO_BYTES_MAX, "bytes")
        .from(BSKY_VIDEO),
    shape(
        "bluesky.langs.max",
        "The post has more language tags than a record holds.",
        "Keep the languages that matter in options.langs.",
    )
    .max(BLUESKY_LANGS_MAX, "language tags")
    .from(BSKY_POST),
    shape(
        "bluesky.tags.max",
        "The post has more tags outside its text than a record holds, or one is too long.",
        "Keep fewer and shorter ones in options.tags.",
    )
    .max(BLUESKY_TAGS_MAX, "tags")
    .from(BSKY_POST),
    shape(
        "bluesky.reply.uri_format",
        "The post to reply to is named by something that is no address of a post.",
        "Use a post's uri, such as at://did:plc:.../app.bsky.feed.post/3k....",
    ),
    shape(
        "bluesky.reply.parent_unknown",
        "The post replied to is gone, or has changed since its cid was taken.",
        "Check that it still exists, and take its uri and cid again.",
    ),
    // Facebook.
    text_blank("facebook.text.required"),
    text_long("facebook.text.max_graphemes")
        .max(FACEBOOK_TEXT_CHARS_MAX, "characters")
        .from(GRAPH_API),
    comment_blank("facebook.first_comment.non_empty"),
    // The Graph API states no length for comments, so there is no source.
    comment_long("facebook.first_comment.max_chars").max(FACEBOOK_TEXT_CHARS_MAX, "characters"),
    one_kind("facebook.media.image_video_exclusive"),
    images_or_video("facebook.media.count_max").max(FACEBOOK_IMAGES_MAX, "images").from(REFERENCE),
    // Instagram.
    text_long("instagram.text.max_graphemes")
        .max(INSTAGRAM_TEXT_CHARS_MAX, "characters")
        .from(INSTAGRAM_API),
    hashtags_many("instagram.text.hashtag_max")
        .max(INSTAGRAM_HASHTAGS_MAX, "hashtags")
        .from(INSTAGRAM_API),
    shape(
        "instagram.text.mention_max",
        "The text mentions more accounts than the platform takes.",
        "Remove some of the mentions.",
    )
    .max(INSTAGRAM_MENTIONS_MAX, "mentions")
    .from(INSTAGRAM_API),
    comment_blank("instagram.first_comment.non_empty"),
    comment_long("instagram.first_comment.max_chars")
        .max(INSTAGRAM_TEXT_CHARS_MAX, "characters")
        .from(INSTAGRAM_API),
    media_missing("instagram.media.required"),
    media_many("instagram.media.count_max").max(INSTAGRAM_MEDIA_MAX, "items").from(INSTAGRAM_API),
    alt_long("instagram.media.alt_text_max_graphemes")
        .max(INSTAGRAM_ALT_CHARS_MAX, "characters")
        .from(INSTAGRAM_API),
    // LinkedIn.
    shape(
        "linkedin.text.non_empty",
        "The text has no visible character; LinkedIn takes no media alone.",
        "Write at least one visible character.",
    ),
    text_long("linkedin.text.max_graphemes")
        .max(LINKEDIN_TEXT_UNITS_MAX, UTF16)
        .from(LINKEDIN_POSTS),
    comment_blank("linkedin.first_comment.non_empty"),
    comment_long("linkedin.first_comment.max_chars")
        .max(LINKEDIN_COMMENT_UNITS_MAX, UTF16)
        .from(LINKEDIN_COMMENTS),
    one_kind("linkedin.media.image_video_exclusive"),
    media_many("linkedin.media.count_max").max(LINKEDIN_IMAGES_MAX, "images").from(LINKEDIN_IMAGES),
    shape(
        "linkedin.media.video_count_max",
        "Several videos are attached; a post of LinkedIn shows one.",
        "Keep one video.",
    )
    .max(1, "videos"),
    alt_long("linkedin.media.alt_text_max")
        .max(LINKEDIN_ALT_CHARS_MAX, "characters")
        .from(LINKEDIN_IMAGES),
    // Pinterest.
    text_long("pinterest.description.max_chars")
        .max(PINTEREST_TEXT_CHARS_MAX, "characters")
        .from(PINS_API),
    shape("pinterest.title.max_chars", "The Pin's title is too long.", "Shorten options.title.")
        .max(PINTEREST_TITLE_CHARS_MAX, "characters")
        .from(PINS_API),
    shape(
        "pinterest.link.max_chars",
        "The address that the Pin leads to is too long.",
        "Use a shorter options.destinationUrl.",
    )
    .max(PINTEREST_LINK_CHARS_MAX, "characters")
    .from(PINS_API),
    comment_none("pinterest.first_comment.unsupported"),
    media_missing("pinterest.media.required"),
    one_only("pinterest.media.single_only"),
    shape(
        "pinterest.video.cover_required",
        "A video Pin needs a cover image.",
        "Give options.coverImageUrl.",
    ),
    alt_long("pinterest.media.alt_text_max")
        .max(PINTEREST_ALT_CHARS_MAX, "characters")
        .from(PINS_API),
    // Threads.
    text_blank("threads.text.required"),
    text_long("threads.text.max_graphemes")
        .max(THREADS_TEXT_CHARS_MAX, "characters")
        .from(THREADS_API),
    text_long("threads.text.max_weighted")
        .max(THREADS_TEXT_CHARS_MAX, "characters, an emoji counted as its UTF-8 bytes")
        .from(THREADS_API),
    shape(
        "threads.text.links_max",
        "The text has more different links than the platform takes.",
        "Remove some of the links.",
    )
    .max(THREADS_LINKS_MAX, "different links")
    .from(THREADS_API),
    comment_blank("threads.first_comment.non_empty"),
    comment_long("threads.first_comment.max_chars")
        .max(THREADS_TEXT_CHARS_MAX, "characters, an emoji counted as its UTF-8 bytes")
        .from(THREADS_API),
    media_many("threads.media.count_max").max(THREADS_MEDIA_MAX, "items").from(THREADS_API),
    alt_long("threads.media.alt_text_max_graphemes")
        .max(THREADS_ALT_CHARS_MAX, "characters")
        .from(THREADS_API),
    // TikTok.
    text_long("tiktok.text.max_chars").max(TIKTOK_TEXT_UNITS_MAX, UTF16).from(TIKTOK_API),
    hashtags_many("tiktok.text.hashtag_max").max(TIKTOK_HASHTAGS_MAX, "hashtags").from(REFERENCE),
    comment_none("tiktok.first_comment.unsupported"),
    media_missing("tiktok.media.required"),
    one_only("tiktok.media.single_only"),
    shape(
        "tiktok.media.video_required",
        "An image is attached; a TikTok post is one video here.",
        "Attach one video instead.",
    ),
    shape(
        "tiktok.branded_content.mutual_exclusive",
        "brandContentToggle and brandOrganicToggle exclude each other.",
        "Keep one of them.",
    ),
    shape(
        "tiktok.branded_content.private",
        "A paid partnership cannot be visible to its author alone, as a post without \
         options.privacy is.",
        "Set options.privacy to a wider audience, or drop brandContentToggle.",
    ),
    // X.
    text_blank("twitter.text.non_empty"),
    text_long("twitter.text.max_graphemes").max(TWITTER_TEXT_WEIGHT_MAX, WEIGHTED).from(X_API),
    comment_blank("twitter.first_comment.non_empty"),
    comment_long("twitter.first_comment.max_graphemes")
        .max(TWITTER_TEXT_WEIGHT_MAX, WEIGHTED)
        .from(X_API),
    one_kind("twitter.media.image_video_exclusive"),
    images_or_video("twitter.media.count_max").max(TWITTER_IMAGES_MAX, "images").from(X_API),
    alt_long("twitter.media.alt_text_max_graphemes")
        .max(TWITTER_ALT_CHARS_MAX, "characters")
        .from(X_API),
    // The sandbox.
    text_blank("sandbox.text.non_empty"),
    text_long("sandbox.text.max_chars").max(SANDBOX_TEXT_CHARS_MAX, "characters"),
    comment_blank("sandbox.first_comment.non_empty"),
    comment_long("sandbox.first_comment.max_chars").max(SANDBOX_TEXT_CHARS_MAX, "characters"),
    media_many("sandbox.media.count_max").max(SANDBOX_MEDIA_MAX, "items"),
    shape(
        "sandbox.media.mime_allowed",
        "An attachment is neither an image nor a video.",
        "Send a JPEG, PNG, WebP, GIF or MP4 file.",
    ),
];
