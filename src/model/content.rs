//! What a target says: text, media, first comment and the platform's own options.

use super::{Digest, MediaId, ProfileId, Timestamp};

/// The effective content of a target, after inheritance. Immutable: an edit makes a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The text; empty where the platform takes media alone.
    pub text: String,
    /// The attachments, in order.
    pub media: Vec<MediaItem>,
    /// The comment published under the post.
    pub first_comment: Option<FirstComment>,
    /// The platform's options as a JSON object without its `platform` tag, checked by `wire`.
    pub options: Option<String>,
}

/// The comment published under the post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstComment {
    /// Its text, never empty.
    pub text: String,
}

/// Image or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// A still or animated picture.
    Image,
    /// A clip.
    Video,
}

impl MediaKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
        }
    }
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaItem {
    /// Image or video.
    pub kind: MediaKind,
    /// The description for people who cannot see it; empty and absent are different.
    pub alt_text: Option<String>,
    /// Where its bytes come from.
    pub source: MediaSource,
}

/// Where the bytes of an attachment come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaSource {
    /// A file uploaded before.
    Upload(MediaId),
    /// A public address, fetched once by a step of the workflow.
    Url(String),
    /// Bytes sent inline; kept on disk under their SHA-256 before the batch was accepted.
    Inline(Digest),
}

/// One uploaded file. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaObject {
    /// Its id.
    pub id: MediaId,
    /// The profile it belongs to.
    pub profile: ProfileId,
    /// The SHA-256 of its bytes, under which they are kept.
    pub digest: Digest,
    /// Its MIME type: sniffed, else as declared.
    pub mime: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was uploaded.
    pub created_at: Timestamp,
}
