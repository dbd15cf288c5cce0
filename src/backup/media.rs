//! Which media the records of a backup name, and which of them must be there.

use std::collections::BTreeSet;

use crate::model::{BatchId, Digest, MediaSource};
use crate::store::{Finding, Framed, Key, Record};

/// What has been named so far. Records are taken in the order of their keys, in which the targets
/// of a batch come before its contents.
#[derive(Debug, Default)]
pub(super) struct MediaNamed {
    /// Of uploads, and of posts that are still to go out.
    pub required: BTreeSet<Digest>,
    /// Of posts that settled: upkeep may have removed it.
    pub wanted: BTreeSet<Digest>,
    unsettled: Option<BatchId>,
}

impl MediaNamed {
    /// Takes the next record.
    pub(super) fn take(&mut self, framed: &Framed) {
        match (&framed.key, &framed.record) {
            (Key::Media(_), Record::Media(object)) => {
                self.required.insert(object.digest);
            }
            (Key::Target(id, _), Record::Target(target)) if !target.cursor.is_settled() => {
                self.unsettled = Some(*id);
            }
            (Key::Content(id, _), Record::Content(content)) => {
                for item in &content.media {
                    if let MediaSource::Inline(digest) = item.source {
                        self.name(*id, digest);
                    }
                }
            }
            (Key::Fetched(id, _), Record::Fetched(fetched)) => self.name(*id, fetched.digest),
            _ => {}
        }
    }

    fn name(&mut self, batch: BatchId, digest: Digest) {
        let names =
            if self.unsettled == Some(batch) { &mut self.required } else { &mut self.wanted };
        names.insert(digest);
    }

    /// Everything that was named, once.
    pub(super) fn all(&self) -> impl Iterator<Item = &Digest> {
        self.required.union(&self.wanted)
    }

    /// What must be there and is not.
    pub(super) fn missing(&self, there: &BTreeSet<Digest>) -> Vec<Finding> {
        let finding = |digest: &Digest| Finding {
            key: format!("media {digest}"),
            problem: "an upload or a post that is still to go out needs it, and its bytes were \
                      missing or spoilt when the backup was made"
                .to_owned(),
        };
        self.required.difference(there).map(finding).collect()
    }
}
