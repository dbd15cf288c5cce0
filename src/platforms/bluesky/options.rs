//! What a target asks of Bluesky beside text and media.

use serde_json::Value;

use crate::model::Content;

/// A target's options; `wire` has checked their types and pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options {
    pub parent: Option<Strong>,
    pub root: Option<Strong>,
    pub langs: Vec<String>,
    pub tags: Vec<String>,
}

/// An address and the content it had: the protocol's strong reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strong {
    pub uri: String,
    pub cid: String,
}

impl Options {
    /// The options of a content.
    pub(super) fn of(content: &Content) -> Self {
        let json = content.options.as_deref().unwrap_or("{}");
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        let strong = |uri: &str, cid: &str| {
            Some(Strong {
                uri: value[uri].as_str()?.to_owned(),
                cid: value[cid].as_str()?.to_owned(),
            })
        };
        let texts = |name: &str| {
            let items = value[name].as_array().map_or(&[][..], Vec::as_slice);
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Self {
            parent: strong("replyToUri", "replyToCid"),
            root: strong("replyRootUri", "replyRootCid"),
            langs: texts("langs"),
            tags: texts("tags"),
        }
    }
}
