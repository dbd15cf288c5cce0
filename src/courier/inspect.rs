//! Deep preflight without a post: attachments are got hold of and inspected, and nothing is noted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::carry::Courier;
use crate::model::{
    Content, Digest, Fault, MediaItem, MediaSource, Millis, Platform, ProfileId, Timestamp,
};
use crate::platforms::MediaFacts;
use crate::store::aside;

/// For all addresses of a request together, because its client waits; a post that is published has
/// its workflow's patience instead.
const FETCH_TIMEOUT: Millis = Millis::from_secs(30);

/// What is to be inspected: a content as it would go to a platform.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The platform.
    pub platform: Platform,
    /// The profile of the account.
    pub profile: ProfileId,
    /// The content; bytes sent inline are kept by now.
    pub content: Content,
}

type Looked = Result<MediaFacts, Fault>;

impl Courier {
    /// What keeps each content from its platform. An address is fetched once, however many
    /// contents name it.
    pub async fn inspect(&self, asked: Vec<Inspection>) -> Vec<Vec<Fault>> {
        let until = (self.options.now)().plus(FETCH_TIMEOUT);
        let mut fetched: BTreeMap<String, Looked> = BTreeMap::new();
        let mut out = Vec::with_capacity(asked.len());
        for inspection in asked {
            let mut faults = Vec::new();
            for item in &inspection.content.media {
                match self.look(item, inspection.profile, until, &mut fetched).await {
                    Err(fault) => faults.push(fault),
                    Ok(facts) => {
                        let codec = self.options.registry.get(&inspection.platform);
                        faults.extend(codec.and_then(|codec| codec.inspect(item, &facts).err()));
                    }
                }
            }
            out.push(faults);
        }
        out
    }

    async fn look(
        &self,
        item: &MediaItem,
        profile: ProfileId,
        until: Timestamp,
        fetched: &mut BTreeMap<String, Looked>,
    ) -> Looked {
        match &item.source {
            MediaSource::Inline(digest) => self.facts(*digest).await,
            MediaSource::Upload(id) => match self.uploaded(*id, profile).await {
                Ok(digest) => self.facts(digest).await,
                Err((fault, _)) => Err(fault),
            },
            MediaSource::Url(url) => {
                if let Some(known) = fetched.get(url) {
                    return known.clone();
                }
                let left = until.since((self.options.now)());
                let got = match self.fetch_bytes(url, left).await {
                    Ok((digest, _)) => self.facts(digest).await,
                    Err((fault, _)) => Err(fault),
                };
                fetched.insert(url.clone(), got.clone());
                got
            }
        }
    }

    async fn facts(&self, digest: Digest) -> Looked {
        let media = Arc::clone(&self.options.media);
        let facts = aside(move || media.facts(&digest)).await;
        match facts {
            Ok(Ok(facts)) => Ok(facts),
            Ok(Err(problem)) => Err(super::snapshot::disk(&problem).0),
            Err(problem) => Err(super::snapshot::disk(&problem).0),
        }
    }
}
