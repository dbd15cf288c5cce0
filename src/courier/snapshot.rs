//! Getting hold of an attachment's bytes: once for a batch, however many targets and attempts.

use std::sync::Arc;

use tokio::fs::File;

use super::carry::Courier;
use super::flights::Landed;
use crate::engine::WriteError;
use crate::model::{
    BatchId, Code, Digest, Fault, MEDIA_BYTES_MAX, MediaId, MediaItem, MediaSource, Millis,
    ProfileId, SendOutcome,
};
use crate::platforms::Answer;
use crate::store::{FetchedRecord, Key, Record, Write, aside};
use crate::upstream::{FetchFault, Fetched};

/// The wait before what failed by no fault of the request is tried again.
const AGAIN: Millis = Millis::from_secs(1);

/// A fault, and when to try again if that may help.
type Failure = (Fault, Option<Millis>);

impl Courier {
    /// The facts of an attachment of a batch, its bytes being kept by then; `profile` is that of
    /// the account it goes to.
    pub(super) async fn take(
        &self,
        batch: BatchId,
        profile: ProfileId,
        item: &MediaItem,
        timeout: Millis,
    ) -> Answer {
        let found = match &item.source {
            MediaSource::Inline(digest) => Ok(*digest),
            MediaSource::Upload(id) => self.uploaded(*id, profile).await,
            MediaSource::Url(url) => self.fetched(batch, url, timeout).await,
        };
        let digest = match found {
            Ok(digest) => digest,
            Err((fault, retry_after)) => return Answer::SnapshotFailed { fault, retry_after },
        };
        let media = Arc::clone(&self.options.media);
        let facts = aside(move || media.facts(&digest)).await;
        let (fault, retry_after) = match facts {
            Ok(Ok(facts)) => return Answer::Snapshot(facts),
            Ok(Err(problem)) if problem.is_missing() => (gone(), None),
            Ok(Err(problem)) => disk(&problem),
            Err(problem) => disk(&problem),
        };
        Answer::SnapshotFailed { fault, retry_after }
    }

    pub(super) async fn uploaded(&self, id: MediaId, profile: ProfileId) -> Landed {
        match self.read(Key::Media(id)).await? {
            Some(Record::Media(object)) if object.profile == profile => Ok(object.digest),
            _ => Err((unknown(id), None)),
        }
    }

    /// The bytes of an address as the batch first got them: a file may change between targets, and
    /// between an attempt and the next.
    async fn fetched(&self, batch: BatchId, url: &str, timeout: Millis) -> Landed {
        let hash = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
        let mut address = Digest([0; 32]);
        address.0.copy_from_slice(hash.as_ref());
        let key = Key::Fetched(batch, address);
        let fetching = async {
            // Looked for here, not before: whoever fetched it may have landed just now.
            match self.read(key).await? {
                Some(Record::Fetched(record)) => Ok(record.digest),
                _ => self.fetch(key, url, timeout).await,
            }
        };
        let joined = self.flights.join(batch, address, fetching);
        if let Ok(landed) = tokio::time::timeout(timeout.as_duration(), joined).await {
            return landed;
        }
        let why = format!("it was not here within {timeout}");
        Err(unfetched(&FetchFault::Unreachable(why)))
    }

    /// Fetches an address into the kept bytes.
    pub(super) async fn fetch_bytes(
        &self,
        url: &str,
        timeout: Millis,
    ) -> Result<(Digest, Fetched), Failure> {
        let incoming = self.options.media.incoming();
        let path = incoming.path().to_owned();
        let file = aside(move || std::fs::File::create(path)).await;
        let mut file = File::from_std(file.map_err(|e| disk(&e))?.map_err(|e| disk(&e))?);
        let fetched = self.options.upstream.fetch(url, MEDIA_BYTES_MAX, &mut file, timeout).await;
        drop(file);
        let fetched = fetched.map_err(|problem| unfetched(&problem))?;
        let media = Arc::clone(&self.options.media);
        let adopted = aside(move || media.adopt(&incoming)).await;
        let digest = adopted.map_err(|e| disk(&e))?.map_err(|e| disk(&e))?;
        Ok((digest, fetched))
    }

    async fn fetch(&self, key: Key, url: &str, timeout: Millis) -> Landed {
        let (digest, Fetched { bytes, mime }) = self.fetch_bytes(url, timeout).await?;
        let record = Record::Fetched(FetchedRecord { digest, mime, bytes });
        let writes = vec![Write::Put(key, record)];
        match self.options.engine.write(vec![(key, None)], writes).await {
            Ok(()) => Ok(digest),
            // An attempt that was given up may have got there first; its bytes count.
            Err(WriteError::Raced) => match self.read(key).await? {
                Some(Record::Fetched(record)) => Ok(record.digest),
                _ => Err(disk(&WriteError::Raced)),
            },
            Err(problem) => Err(disk(&problem)),
        }
    }

    async fn read(&self, key: Key) -> Result<Option<Record>, Failure> {
        let store = Arc::clone(&self.options.store);
        let found = aside(move || store.get(&key)).await;
        found.map_err(|e| disk(&e))?.map_err(|e| disk(&e))
    }
}

fn unfetched(problem: &FetchFault) -> Failure {
    let message = format!("the attachment's URL could not be fetched: {problem}");
    let (rule, retry_after) = match problem {
        FetchFault::Blocked(_) => ("media.url.private_address", None),
        FetchFault::Invalid(_) => ("media.url.invalid", None),
        FetchFault::Redirects => ("media.url.redirects_max", None),
        FetchFault::TooLarge { .. } => ("media.size_max", None),
        FetchFault::Status(status) if *status < 500 && *status != 408 && *status != 429 => {
            ("media.reachable", None)
        }
        FetchFault::Status(_) | FetchFault::Unreachable(_) => ("media.reachable", Some(AGAIN)),
        FetchFault::Disk(why) => return disk(why),
    };
    let remedy = "Give a public http or https URL of a file within the limit, or upload it first.";
    (fault(Code::PreflightFailed, message, rule, remedy), retry_after)
}

pub(super) fn disk(problem: &dyn std::fmt::Display) -> Failure {
    tracing::error!(%problem, "media cannot be kept or read");
    let message = "the attachment's bytes cannot be kept or read".to_owned();
    let remedy = "The operator finds the reason in the log.";
    (fault(Code::InternalError, message, "media.store", remedy), Some(AGAIN))
}

fn unknown(id: MediaId) -> Fault {
    let message = format!("there is no upload {id} in the account's profile");
    let remedy = "GET /v1/media lists the uploads; POST /v1/media makes one.";
    fault(Code::NotFound, message, "media.unknown", remedy)
}

/// Bytes are kept for a while after the post that needed them has settled.
fn gone() -> Fault {
    let message = "the attachment's bytes are no longer kept".to_owned();
    let remedy = "Publish the post anew, with its attachment.";
    fault(Code::NotFound, message, "media.gone", remedy)
}

fn fault(code: Code, message: String, rule: &str, remedy: &str) -> Fault {
    Fault::new(code, message).rule(rule).remedy(remedy).outcome(SendOutcome::NotSent)
}
