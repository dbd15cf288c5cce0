//! Uploads over HTTP, for anybody who has a signed address: platforms that pull come here.

use std::io::SeekFrom;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::fs::File;
use tokio::io::AsyncSeekExt as _;

use super::handlers::blocking;
use super::reply::Answer;
use super::stream::AnswerBody;
use crate::media::{LinkFault, Media, MediaLink, MediaLinks};
use crate::model::{Code, Fault, MediaObject, Timestamp};
use crate::store::{Key, Record, Store};

/// Serves files by signed addresses.
#[derive(Clone)]
pub struct MediaDoor {
    /// Reads addresses.
    pub links: MediaLinks,
    /// The files.
    pub media: Arc<Media>,
    /// The store, for reading.
    pub store: Arc<dyn Store>,
}

impl std::fmt::Debug for MediaDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MediaDoor({:?})", self.links)
    }
}

impl MediaDoor {
    /// `GET` and `HEAD /media/:name`: the file, or the stretch of it that `Range` names.
    ///
    /// # Errors
    /// An address that does not hold, or an upload that is gone.
    pub async fn file(
        &self,
        name: &str,
        query: Option<&str>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Answer, Fault> {
        let link = self.links.read(name, query.unwrap_or_default(), now);
        let link = link.map_err(refused)?;
        let store = Arc::clone(&self.store);
        let found = blocking(move || store.get(&Key::Media(link.id)).map_err(|e| unread(&e)));
        let Some(Record::Media(object)) = found.await? else { return Err(gone()) };
        let file = File::open(self.media.path(&object.digest)).await;
        let mut file = file.map_err(|error| unread(&error))?;
        let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
        let (status, from, left) = match range.and_then(|text| stretch(text, object.bytes)) {
            None => (StatusCode::OK, 0, object.bytes),
            Some(Some((first, last))) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Some(None) => return Ok(outside(&object)),
        };
        if from > 0 {
            file.seek(SeekFrom::Start(from)).await.map_err(|error| unread(&error))?;
        }
        let mut answer = Response::new(AnswerBody::File { file, left });
        *answer.status_mut() = status;
        dress(answer.headers_mut(), &object, link);
        if status == StatusCode::PARTIAL_CONTENT {
            let told = format!("bytes {from}-{}/{}", from + left - 1, object.bytes);
            set(answer.headers_mut(), header::CONTENT_RANGE, &told);
        }
        Ok(answer)
    }
}

/// What every file is sent with. It comes from anybody, so a browser may show it and do nothing
/// else with it.
fn dress(headers: &mut HeaderMap, object: &MediaObject, link: MediaLink) {
    let kind = HeaderValue::from_str(&object.mime);
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(unknown));
    let cached = format!("public, max-age={}, immutable", link.left.0 / 1_000);
    set(headers, header::CACHE_CONTROL, &cached);
    set(headers, header::ACCEPT_RANGES, "bytes");
    set(headers, header::CONTENT_DISPOSITION, "inline");
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::CONTENT_SECURITY_POLICY, "sandbox");
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The first and last byte of a `Range`; `Some(None)` where it lies outside, and `None` where it is
/// none that we serve: several stretches, another unit, or no sense. Then the whole is sent.
fn stretch(text: &str, bytes: u64) -> Option<Option<(u64, u64)>> {
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| match text.bytes().all(|digit| digit.is_ascii_digit()) {
        // More digits than a number holds are further than any file goes.
        true if !text.is_empty() => Some(text.parse().unwrap_or(u64::MAX)),
        _ => None,
    };
    let end = bytes.checked_sub(1);
    match (first, last) {
        ("", last) => {
            let count = number(last)?.min(bytes);
            Some(end.filter(|_| count > 0).map(|end| (bytes - count, end)))
        }
        (first, "") => {
            let first = number(first)?;
            Some(end.filter(|end| first <= *end).map(|end| (first, end)))
        }
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            Some(end.filter(|end| first <= *end).map(|end| (first, last.min(end))))
        }
    }
}

fn outside(object: &MediaObject) -> Answer {
    let mut answer = Response::new(AnswerBody::from(Bytes::new()));
    *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    set(answer.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{}", object.bytes));
    answer
}

fn refused(why: LinkFault) -> Fault {
    let (rule, message) = match why {
        LinkFault::Forged => ("media.link.signature", "This address was not made by this server."),
        LinkFault::Expired => ("media.link.expired", "The time of this address is over."),
    };
    Fault::new(Code::Unauthorized, message)
        .rule(rule)
        .remedy("GET /v1/media and GET /v1/media/:id give addresses that hold.")
}

fn gone() -> Fault {
    Fault::new(Code::NotFound, "The upload was deleted.")
        .remedy("GET /v1/media lists the uploads there are.")
}

fn unread(error: &dyn std::fmt::Display) -> Fault {
    tracing::error!(%error, "an upload cannot be read");
    Fault::new(Code::InternalError, "The upload cannot be read.")
        .rule("media.store")
        .remedy("Try again; the operator finds the reason in the log.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stretch_is_served_and_anything_else_is_the_whole() {
        let check = |text: &str, bytes: u64, expected| {
            assert_eq!(stretch(text, bytes), expected, "{text} of {bytes}");
        };
        check("bytes=0-0", 10, Some(Some((0, 0))));
        check("bytes=2-4", 10, Some(Some((2, 4))));
        check("Bytes = 2-4", 10, Some(Some((2, 4))));
        check("bytes=2-", 10, Some(Some((2, 9))));
        check("bytes=-3", 10, Some(Some((7, 9))));
        check("bytes=-30", 10, Some(Some((0, 9))));
        check("bytes=9-99999999999999999999999", 10, Some(Some((9, 9))));
        check("bytes=10-", 10, Some(None));
        check("bytes=99999999999999999999999-", 10, Some(None));
        check("bytes=10-12", 10, Some(None));
        check("bytes=-0", 10, Some(None));
        check("bytes=0-", 0, Some(None));
        check("bytes=-1", 0, Some(None));
        for whole in ["bytes=4-2", "bytes=1-2,4-5", "bytes=-", "items=0-1", "bytes=a-b", "", "=-"] {
            check(whole, 10, None);
        }
    }
}
