//! Request bodies: read whole, within a size, a time and a share of memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;

use crate::model::{Code, Fault, Millis};

/// The body of a request: from a connection, or of a call made within this process.
pub type RequestBody = BoxBody<Bytes, hyper::Error>;

/// The body of a call made within this process.
pub fn whole(bytes: Bytes) -> RequestBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// Reads bodies and keeps count of the memory they take together. A clone keeps the same count.
#[derive(Debug, Clone)]
pub struct Bodies {
    bytes_max: u64,
    all_bytes_max: u64,
    timeout: Millis,
    held: Arc<AtomicU64>,
}

/// A body in memory. Its share of memory is given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    _share: Share,
}

/// Why a body was not read whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than a body may be.
    #[error("read the body: more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// It did not arrive in time.
    #[error("read the body: it did not arrive within {timeout}")]
    Slow {
        /// The limit.
        timeout: Millis,
    },
    /// All bodies together take all the memory they may.
    #[error("read the body: too many large bodies at once")]
    NoRoom,
    /// The connection broke, or the framing did.
    #[error("read the body: {0}")]
    Broken(String),
}

#[derive(Debug)]
struct Share {
    held: Arc<AtomicU64>,
    bytes: u64,
}

impl Bodies {
    /// A reader of bodies of up to `bytes_max`, and of `all_bytes_max` together.
    pub fn new(bytes_max: u64, all_bytes_max: u64, timeout: Millis) -> Self {
        Self { bytes_max, all_bytes_max, timeout, held: Arc::default() }
    }

    /// Reads a body whole. Reading stops at the first byte too many.
    ///
    /// # Errors
    /// See `BodyError`.
    pub async fn read<B>(&self, body: B) -> Result<Held, BodyError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let mut share = Share { held: Arc::clone(&self.held), bytes: 0 };
        let mut whole = BytesMut::new();
        each_chunk(body, self.bytes_max, self.timeout, |chunk| {
            let bytes = chunk.len() as u64;
            let before = self.held.fetch_add(bytes, Ordering::AcqRel);
            share.bytes += bytes;
            if before + bytes > self.all_bytes_max {
                return Err(BodyError::NoRoom);
            }
            whole.extend_from_slice(chunk);
            Ok(())
        })
        .await?;
        Ok(Held { bytes: whole.freeze(), _share: share })
    }
}

/// Hands on the chunks of a body of up to `max` bytes that arrives within `timeout`.
///
/// # Errors
/// See `BodyError`; and whatever `take` refuses with.
pub async fn each_chunk<B>(
    mut body: B,
    max: u64,
    timeout: Millis,
    mut take: impl FnMut(&[u8]) -> Result<(), BodyError>,
) -> Result<(), BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    // An announced length is believed when it is too large: nothing need be read to know.
    if body.size_hint().lower() > max {
        return Err(BodyError::TooLarge { max });
    }
    let reading = async {
        let mut seen = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
            let Ok(chunk) = frame.into_data() else { continue };
            seen += chunk.len() as u64;
            if seen > max {
                return Err(BodyError::TooLarge { max });
            }
            take(&chunk)?;
        }
        Ok(())
    };
    tokio::time::timeout(timeout.as_duration(), reading)
        .await
        .unwrap_or(Err(BodyError::Slow { timeout }))
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl BodyError {
    /// What the client is told.
    pub fn fault(&self) -> Fault {
        let fault = |code, rule: &str| Fault::new(code, self.to_string()).rule(rule);
        match self {
            Self::TooLarge { .. } => fault(Code::ValidationFailed, "body.size_max")
                .status(413)
                .remedy("Send less, upload media by URL, or raise server.body_bytes_max."),
            Self::Slow { .. } => fault(Code::ValidationFailed, "body.timeout")
                .status(408)
                .remedy("Send the body without pauses, or raise server.body_timeout_ms.")
                .retryable(),
            Self::NoRoom => fault(Code::InternalError, "server.busy")
                .status(503)
                .remedy("Try again in a second.")
                .retry_after(1),
            Self::Broken(_) => fault(Code::ValidationFailed, "body.incomplete")
                .remedy("Send as many bytes as Content-Length says, or well-formed chunks."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &'static str) -> Full<Bytes> {
        Full::new(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn memory_is_shared_and_given_back() {
        let bodies = Bodies::new(10, 15, Millis(60_000));
        let first = bodies.read(full("0123456789")).await.expect("fits exactly");
        assert_eq!(first.bytes, "0123456789");
        assert_eq!(bodies.read(full("012345")).await.err(), Some(BodyError::NoRoom));
        let small = bodies.read(full("01234")).await.expect("fits beside it");
        drop((first, small));
        assert_eq!(bodies.held.load(Ordering::Acquire), 0);
        let over = bodies.read(full("0123456789a")).await.err();
        assert_eq!(over, Some(BodyError::TooLarge { max: 10 }));
        assert_eq!(bodies.held.load(Ordering::Acquire), 0);
    }

    #[test]
    fn each_failure_has_its_status() {
        let status = |error: BodyError| error.fault().http_status();
        assert_eq!(status(BodyError::TooLarge { max: 1 }), 413);
        assert_eq!(status(BodyError::Slow { timeout: Millis(1) }), 408);
        assert_eq!(status(BodyError::NoRoom), 503);
        assert_eq!(status(BodyError::Broken(String::new())), 400);
    }
}
