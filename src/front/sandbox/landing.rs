//! One post or comment that became visible, as the log keeps it.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// Post or comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A post.
    Post,
    /// A comment under one.
    Comment,
}

impl Kind {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Comment => "comment",
        }
    }
}

/// One attachment, by the digest its upload was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaSeen {
    /// `image` or `video`.
    pub kind: String,
    /// The upload's `ref`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<String>,
}

/// What is to land.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// What the platform de-duplicates by, if the caller names it.
    #[serde(default)]
    pub key: Option<String>,
    /// The post id on our side: it tells duplicates, and no read-back ever shows it.
    pub post: String,
    /// The account.
    pub account: String,
    /// Post or comment.
    pub kind: Kind,
    /// For a comment, or a reply: what it stands under.
    #[serde(default)]
    pub parent: Option<String>,
    /// The text.
    #[serde(default)]
    pub text: String,
    /// The attachments.
    #[serde(default)]
    pub media: Vec<MediaSeen>,
    /// When the caller says it was made.
    #[serde(default)]
    pub created_at: Option<String>,
}

/// What landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Landing {
    /// Its number, from 1, in order of landing.
    pub n: u64,
    /// The post id on our side.
    pub post: String,
    /// What it was de-duplicated by.
    #[serde(default)]
    pub key: Option<String>,
    /// The account.
    pub account: String,
    /// Post or comment.
    pub kind: Kind,
    /// What it stands under.
    #[serde(default)]
    pub parent: Option<String>,
    /// The text.
    pub text: String,
    /// The attachments.
    #[serde(default)]
    pub media: Vec<MediaSeen>,
    /// Its native id.
    pub uri: String,
    /// Its content id.
    pub cid: String,
    /// Its permalink.
    pub url: String,
    /// When the caller says it was made.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it landed.
    pub landed_at: String,
}

impl Landing {
    /// The landing that a draft becomes.
    pub fn new(draft: Draft, n: u64, base: &str, at: Timestamp) -> Self {
        let uri = format!("sandbox://{}/{n}", draft.account);
        let cid = hex(&digest(&SHA256, format!("{uri}\n{}", draft.text).as_bytes()).as_ref()[..16]);
        Self {
            n,
            post: draft.post,
            key: draft.key,
            account: draft.account,
            kind: draft.kind,
            parent: draft.parent,
            text: draft.text,
            media: draft.media,
            url: format!("{base}/sandbox/posts/{n}"),
            uri,
            cid,
            created_at: draft.created_at,
            landed_at: at.to_string(),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
