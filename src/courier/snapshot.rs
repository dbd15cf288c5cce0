//! Getting hold of an attachment's bytes, once.

use std::sync::Arc;

use tokio::fs::File;

use super::carry::CourierOptions;
use crate::model::{
    Code, Digest, Fault, MEDIA_BYTES_MAX, MediaItem, MediaSource, Millis, SendOutcome,
};
use crate::platforms::Answer;
use crate::upstream::FetchFault;

/// The wait before a file that could not be fetched is asked for again.
const AGAIN: Millis = Millis::from_secs(1);

/// The facts of an attachment, its bytes being kept by then.
pub(super) async fn take(options: &CourierOptions, item: &MediaItem, timeout: Millis) -> Answer {
    let digest = match &item.source {
        MediaSource::Inline(digest) => *digest,
        MediaSource::Upload(id) => {
            let fault = fault(Code::NotFound, format!("there is no upload {id}"), "media.unknown");
            return Answer::SnapshotFailed { fault, retry_after: None };
        }
        MediaSource::Url(url) => match fetch(options, url, timeout).await {
            Ok(digest) => digest,
            Err((fault, retry_after)) => return Answer::SnapshotFailed { fault, retry_after },
        },
    };
    let media = Arc::clone(&options.media);
    let facts = tokio::task::spawn_blocking(move || media.facts(&digest)).await;
    match facts {
        Ok(Ok(facts)) => Answer::Snapshot(facts),
        Ok(Err(problem)) => disk(&problem),
        Err(problem) => disk(&problem),
    }
}

async fn fetch(
    options: &CourierOptions,
    url: &str,
    timeout: Millis,
) -> Result<Digest, (Fault, Option<Millis>)> {
    let incoming = options.media.incoming();
    let broken = |problem: &dyn std::fmt::Display| match disk(problem) {
        Answer::SnapshotFailed { fault, retry_after } => (fault, retry_after),
        _ => (fault(Code::InternalError, problem.to_string(), "media.store"), Some(AGAIN)),
    };
    let mut file = File::create(incoming.path()).await.map_err(|e| broken(&e))?;
    let fetched = options.upstream.fetch(url, MEDIA_BYTES_MAX, &mut file, timeout).await;
    drop(file);
    fetched.map_err(|problem| unfetched(&problem))?;
    let media = Arc::clone(&options.media);
    let adopted = tokio::task::spawn_blocking(move || media.adopt(&incoming)).await;
    adopted.map_err(|e| broken(&e))?.map_err(|e| broken(&e))
}

fn unfetched(problem: &FetchFault) -> (Fault, Option<Millis>) {
    let message = format!("the attachment's URL could not be fetched: {problem}");
    match problem {
        FetchFault::Refused(_) => {
            (fault(Code::PreflightFailed, message, "media.url.private_address"), None)
        }
        FetchFault::TooLarge { .. } => {
            (fault(Code::PreflightFailed, message, "media.size_max"), None)
        }
        FetchFault::Status(status) if *status < 500 && *status != 408 && *status != 429 => {
            (fault(Code::PreflightFailed, message, "media.reachable"), None)
        }
        FetchFault::Status(_) | FetchFault::Unreachable(_) => {
            (fault(Code::PreflightFailed, message, "media.reachable"), Some(AGAIN))
        }
        FetchFault::Disk(_) => (fault(Code::InternalError, message, "media.store"), Some(AGAIN)),
    }
}

fn disk(problem: &dyn std::fmt::Display) -> Answer {
    tracing::error!(%problem, "media cannot be kept or read");
    let message = "the attachment's bytes cannot be kept or read".to_owned();
    let fault = fault(Code::InternalError, message, "media.store");
    Answer::SnapshotFailed { fault, retry_after: Some(AGAIN) }
}

fn fault(code: Code, message: String, rule: &str) -> Fault {
    let remedy = match code {
        Code::InternalError => "The operator finds the reason in the log.",
        Code::NotFound => "Send the file inline or by a public URL.",
        _ => "Give a public http or https URL of a file within the limit, or send it inline.",
    };
    Fault::new(code, message).rule(rule).remedy(remedy).outcome(SendOutcome::NotSent)
}
