//! A file that comes as `multipart/form-data`: written to disk as it arrives, hashed on the way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyDataStream;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap};
use multer::{Field, Multipart};
use ring::digest;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::time::Sleep;

use crate::media::{Incoming, Media};
use crate::model::{
    Code, Digest, Fault, MIME_CHARS_MAX, Millis, PART_HEADER_BYTES_MAX, UPLOAD_FRAME_BYTES_MAX,
};

/// Bytes gathered before they are written: one hop to the disk's threads for several chunks.
const WRITE_BYTES: usize = 256 * 1_024;
/// The type of a part that declares none (RFC 7578).
const TEXT: &str = "text/plain";
/// The type of a part whose declared one cannot be repeated.
const UNKNOWN: &str = "application/octet-stream";

/// How far an upload may go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of the file.
    pub bytes_max: u64,
    /// How long it may stand still. The whole of it may take as long as the line needs.
    pub pause_max: Millis,
}

impl Bounds {
    /// Bytes of the form, the file and what is around it.
    const fn whole_max(self) -> u64 {
        self.bytes_max + UPLOAD_FRAME_BYTES_MAX
    }
}

/// A file on disk that nobody names yet; it vanishes with this unless it is adopted.
#[derive(Debug)]
pub struct Received {
    /// Where it is.
    pub incoming: Incoming,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// The type its part declared.
    pub declared: String,
}

/// Receives the file of the part `file`, Memory stays the same however large it is; at the first
/// byte too many, or the first that makes no sense, reading stops and nothing is left on disk.
///
/// # Errors
/// The contract's `media.*` rules.
pub async fn receive<B>(
    media: &Media,
    headers: &HeaderMap,
    body: B,
    bounds: Bounds,
) -> Result<Received, Fault>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form =
        kind.get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"));
    if !is_form {
        return Err(bad("media.content_type", "the body is no multipart/form-data"));
    }
    if body.is_end_stream() {
        return Err(bad("media.empty_body", "the request has no body"));
    }
    if body.size_hint().lower() > bounds.whole_max() {
        return Err(too_large(bounds.bytes_max));
    }
    let boundary = multer::parse_boundary(kind).map_err(|error| unsound(&error))?;
    let held = Arc::new(AtomicU64::new(0));
    let paced =
        Paced { body, passed: 0, held: Arc::clone(&held), rests: false, bounds, pause: None };
    let mut form = Form { parts: Multipart::new(BodyDataStream::new(paced), boundary), held };
    let received = loop {
        let Some(mut part) = form.next().await? else {
            return Err(bad("media.missing_file", "no part of the form is a file named `file`"));
        };
        let named = part.name() == Some("file");
        match (named, is_file(&part)) {
            (true, true) => break write(media, &form, part, bounds.bytes_max).await?,
            (_, false) if !named => form.pass_over(&mut part).await?,
            _ => {
                let why = "the first file of the form is not a part named `file` with a filename";
                return Err(bad("media.missing_file", why));
            }
        }
    };
    // What follows is not kept, but a form that breaks off may have lost a part of the file.
    while let Some(mut part) = form.next().await? {
        form.pass_over(&mut part).await?;
    }
    Ok(received)
}

async fn write(
    media: &Media,
    form: &Form,
    mut part: Field<'_>,
    bytes_max: u64,
) -> Result<Received, Fault> {
    let declared = declared(&part);
    let incoming = media.incoming();
    let file = File::create(incoming.path()).await.map_err(|error| unkept(&error))?;
    let mut file = BufWriter::with_capacity(WRITE_BYTES, file);
    let mut hashing = digest::Context::new(&digest::SHA256);
    let mut bytes = 0;
    while let Some(chunk) = form.chunk(&mut part).await? {
        bytes += chunk.len() as u64;
        if bytes > bytes_max {
            return Err(too_large(bytes_max));
        }
        hashing.update(&chunk);
        file.write_all(&chunk).await.map_err(|error| unkept(&error))?;
    }
    file.flush().await.map_err(|error| unkept(&error))?;
    let mut digest = Digest([0; 32]);
    digest.0.copy_from_slice(hashing.finish().as_ref());
    Ok(Received { incoming, digest, bytes, declared })
}

/// A file is a part with a filename, in either way of writing it.
fn is_file(part: &Field<'_>) -> bool {
    let disposition = part.headers().get(CONTENT_DISPOSITION);
    let extended = || {
        disposition.is_some_and(|value| {
            value.as_bytes().windows(10).any(|ten| ten.eq_ignore_ascii_case(b"filename*="))
        })
    };
    part.file_name().is_some() || extended()
}

/// The declared type, in lower case, as it can be sent back in a header.
fn declared(part: &Field<'_>) -> String {
    let Some(value) = part.headers().get(CONTENT_TYPE) else { return TEXT.to_owned() };
    match value.to_str().map(str::trim) {
        Ok(text) if text.contains('/') && text.len() <= MIME_CHARS_MAX => text.to_ascii_lowercase(),
        _ => UNKNOWN.to_owned(),
    }
}

/// The parts of a form, and how many bytes of it are held because they make no sense yet.
struct Form {
    parts: Multipart<'static>,
    held: Arc<AtomicU64>,
}

impl Form {
    async fn next(&mut self) -> Result<Option<Field<'static>>, Fault> {
        let part = self.parts.next_field().await.map_err(|error| unsound(&error))?;
        self.held.store(0, Ordering::Relaxed);
        Ok(part)
    }

    async fn chunk(&self, part: &mut Field<'_>) -> Result<Option<Bytes>, Fault> {
        let chunk = part.chunk().await.map_err(|error| unsound(&error))?;
        self.held.store(0, Ordering::Relaxed);
        Ok(chunk)
    }

    async fn pass_over(&self, part: &mut Field<'_>) -> Result<(), Fault> {
        while self.chunk(part).await?.is_some() {}
        Ok(())
    }
}

/// A body that is handed on one chunk at a time. The parser takes whatever it can get before it
/// looks at any of it; a client on a fast line would fill the memory.
struct Paced<B> {
    body: B,
    passed: u64,
    held: Arc<AtomicU64>,
    rests: bool,
    bounds: Bounds,
    pause: Option<Pin<Box<Sleep>>>,
}

/// Why a body was not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Halt {
    #[error("read the upload: it is too large for a file of {0} bytes")]
    TooLarge(u64),
    #[error("read the upload: nothing came for {0}")]
    StoodStill(Millis),
    #[error("read the upload: the connection broke")]
    Broken,
    #[error("read the upload: a part's header is larger than {PART_HEADER_BYTES_MAX} bytes")]
    NoParts,
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = Halt;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Halt>>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.pause = None;
                self.rests = true;
                let count = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.passed += count;
                if self.passed > self.bounds.whole_max() {
                    return Poll::Ready(Some(Err(Halt::TooLarge(self.bounds.bytes_max))));
                }
                if self.held.fetch_add(count, Ordering::Relaxed) + count > PART_HEADER_BYTES_MAX {
                    return Poll::Ready(Some(Err(Halt::NoParts)));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "an upload broke off");
                Poll::Ready(Some(Err(Halt::Broken)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let pause_max = self.bounds.pause_max;
                let sleep = || Box::pin(tokio::time::sleep(pause_max.as_duration()));
                let pause = self.pause.get_or_insert_with(sleep);
                pause.as_mut().poll(cx).map(|()| Some(Err(Halt::StoodStill(pause_max))))
            }
        }
    }
}

/// What the parser found wrong; where the body itself halted, what that means.
fn unsound(error: &multer::Error) -> Fault {
    let halt = match error {
        multer::Error::StreamReadFailed(inner) => inner.downcast_ref::<Halt>().copied(),
        _ => None,
    };
    match halt {
        Some(Halt::TooLarge(max)) => too_large(max),
        Some(halt @ Halt::StoodStill(_)) => Fault::new(Code::ValidationFailed, halt.to_string())
            .rule("body.timeout")
            .remedy("Send the file again, without pauses.")
            .status(408)
            .retryable(),
        Some(Halt::Broken) => bad("media.parse_failed", "the body broke off"),
        Some(Halt::NoParts) => bad("media.parse_failed", &Halt::NoParts.to_string()),
        None => bad("media.parse_failed", &format!("the form is not well formed: {error}")),
    }
}

fn bad(rule: &str, message: &str) -> Fault {
    Fault::new(Code::ValidationFailed, message).rule(rule).remedy(
        "Send multipart/form-data with one part named `file` that has a filename, as \
         `curl -F file=@picture.png` does.",
    )
}

fn too_large(max: u64) -> Fault {
    let message = format!("the file is larger than {max} bytes");
    Fault::new(Code::ValidationFailed, message)
        .rule("media.size_max")
        .remedy("Send a smaller file.")
        .status(413)
}

/// The disk refused.
pub(super) fn unkept(error: &dyn std::fmt::Display) -> Fault {
    tracing::error!(%error, "an upload cannot be kept");
    Fault::new(Code::InternalError, "The file cannot be kept.")
        .rule("media.store")
        .remedy("Send it again; the operator finds the reason in the log.")
}

#[cfg(test)]
mod tests;
