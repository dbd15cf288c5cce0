//! Every limit of every platform, in one table. Values as the platforms document them in autumn
//! 2026 (their API references and, for Bluesky, the lexicons); several changed during that year.

/// Extended grapheme clusters of a Bluesky post (lexicon `app.bsky.feed.post`).
pub const BLUESKY_TEXT_GRAPHEMES_MAX: usize = 300;
/// UTF-8 bytes of a Bluesky post (same lexicon).
pub const BLUESKY_TEXT_BYTES_MAX: usize = 3_000;
/// Images of one Bluesky post (lexicon `app.bsky.embed.images`).
pub const BLUESKY_IMAGES_MAX: usize = 4;
/// Graphemes of an alt text (a convention of the app; the lexicon sets none).
pub const BLUESKY_ALT_GRAPHEMES_MAX: usize = 2_000;
/// Language tags of one post (same lexicon as the text).
pub const BLUESKY_LANGS_MAX: usize = 3;
/// Tags outside the text (same lexicon).
pub const BLUESKY_TAGS_MAX: usize = 8;
/// Graphemes of one tag (lexicon `app.bsky.richtext.facet`).
pub const BLUESKY_TAG_GRAPHEMES_MAX: usize = 64;
/// UTF-8 bytes of one tag (same lexicon).
pub const BLUESKY_TAG_BYTES_MAX: usize = 640;
/// Bytes of one image (lexicon `app.bsky.embed.images` since April 2026; 1,000,000 before).
pub const BLUESKY_IMAGE_BYTES_MAX: u64 = 2_000_000;
/// Bytes of one video (lexicon `app.bsky.embed.video` since August 2026).
pub const BLUESKY_VIDEO_BYTES_MAX: u64 = 300_000_000;
/// Images that Bluesky's apps show.
pub const BLUESKY_IMAGE_MIMES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/gif"];
/// Videos that Bluesky's apps show.
pub const BLUESKY_VIDEO_MIMES: [&str; 1] = ["video/mp4"];

/// Characters of a sandbox post or comment: room for what any text platform takes.
pub const SANDBOX_TEXT_CHARS_MAX: usize = 3_000;
/// Attachments of a sandbox post.
pub const SANDBOX_MEDIA_MAX: usize = 10;

/// Weighted length of a post on X; every URL counts `TWITTER_URL_WEIGHT` (X API reference).
pub const TWITTER_TEXT_WEIGHT_MAX: usize = 280;
/// What a URL counts on X.
pub const TWITTER_URL_WEIGHT: usize = 23;
/// Images of one post on X.
pub const TWITTER_IMAGES_MAX: usize = 4;
/// Characters of an alt text on X.
pub const TWITTER_ALT_CHARS_MAX: usize = 1_000;

/// UTF-16 units of a LinkedIn post (Posts API).
pub const LINKEDIN_TEXT_UNITS_MAX: usize = 3_000;
/// Images of one LinkedIn post (MultiImage API).
pub const LINKEDIN_IMAGES_MAX: usize = 20;
/// Characters of an alt text on LinkedIn (same source).
pub const LINKEDIN_ALT_CHARS_MAX: usize = 4_086;
/// UTF-16 units of a LinkedIn comment (Comments API).
pub const LINKEDIN_COMMENT_UNITS_MAX: usize = 1_250;

/// Characters of a Facebook Page post (Graph API).
pub const FACEBOOK_TEXT_CHARS_MAX: usize = 63_206;
/// Photos of one Facebook Page post (the reference's documentation; its code does not check it).
pub const FACEBOOK_IMAGES_MAX: usize = 10;

/// Characters of an Instagram caption or comment (Content Publishing API).
pub const INSTAGRAM_TEXT_CHARS_MAX: usize = 2_200;
/// Items of an Instagram carousel (same source).
pub const INSTAGRAM_MEDIA_MAX: usize = 10;
/// Characters of an alt text on Instagram (same source; the reference still says 2,200).
pub const INSTAGRAM_ALT_CHARS_MAX: usize = 1_000;
/// Hashtags of an Instagram caption (same source).
pub const INSTAGRAM_HASHTAGS_MAX: usize = 30;
/// Mentions of an Instagram caption (same source).
pub const INSTAGRAM_MENTIONS_MAX: usize = 20;

/// Characters of a Threads post, and its weighted length, where an emoji counts its UTF-8 bytes
/// (Threads API).
pub const THREADS_TEXT_CHARS_MAX: usize = 500;
/// Items of a Threads carousel (same source).
pub const THREADS_MEDIA_MAX: usize = 20;
/// Characters of an alt text on Threads (same source).
pub const THREADS_ALT_CHARS_MAX: usize = 1_000;
/// Different links in a Threads post (same source).
pub const THREADS_LINKS_MAX: usize = 5;

/// Characters of a Pin's title (Pins API).
pub const PINTEREST_TITLE_CHARS_MAX: usize = 100;
/// Characters of a Pin's description (same source).
pub const PINTEREST_TEXT_CHARS_MAX: usize = 800;
/// Characters of a Pin's alt text (same source).
pub const PINTEREST_ALT_CHARS_MAX: usize = 500;
/// Characters of a Pin's link (same source).
pub const PINTEREST_LINK_CHARS_MAX: usize = 2_048;

/// UTF-16 units of a TikTok caption (Content Posting API).
pub const TIKTOK_TEXT_UNITS_MAX: usize = 2_200;
/// Hashtags of a TikTok caption (the reference's rule).
pub const TIKTOK_HASHTAGS_MAX: usize = 100;
