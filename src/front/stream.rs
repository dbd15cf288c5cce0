//! The body of an answer: bytes in hand, or a stretch of a file that is read as it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio_util::io::poll_read_buf;

/// Bytes read from a file at once: what one slow reader costs us in memory.
const CHUNK_BYTES: u64 = 64 * 1_024;

/// What follows the head of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// Bytes in hand.
    Whole(Full<Bytes>),
    /// From where the file stands, so many bytes.
    File {
        /// The file.
        file: File,
        /// The bytes that are still to be sent.
        left: u64,
    },
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Pin::new(bytes).poll_frame(cx).map_err(|never| match never {}),
            Self::File { left: 0, .. } => Poll::Ready(None),
            Self::File { file, left } => {
                let room = usize::try_from(CHUNK_BYTES.min(*left)).unwrap_or(0);
                let mut into = BytesMut::with_capacity(room).limit(room);
                Poll::Ready(Some(match ready!(poll_read_buf(Pin::new(file), cx, &mut into)) {
                    // The length was promised, so the connection has to break.
                    Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(count) => {
                        *left -= u64::try_from(count).unwrap_or(*left);
                        Ok(Frame::data(into.into_inner().freeze()))
                    }
                    Err(problem) => Err(problem),
                }))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_end_stream(),
            Self::File { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => bytes.size_hint(),
            Self::File { left, .. } => SizeHint::with_exact(*left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use tokio::io::AsyncSeekExt as _;

    #[tokio::test]
    async fn a_stretch_of_a_file_is_sent_in_chunks_and_no_further() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        std::fs::write(&path, &bytes).expect("written");
        let open = async |from: u64, left: u64| {
            let mut file = File::open(&path).await.expect("a file");
            file.seek(io::SeekFrom::Start(from)).await.expect("within");
            AnswerBody::File { file, left }
        };
        let body = open(3, 150_000).await;
        assert_eq!(body.size_hint().exact(), Some(150_000));
        let sent = body.collect().await.expect("whole").to_bytes();
        assert_eq!(sent, bytes[3..150_003]);
        let mut body = open(0, 200_000).await;
        let frame = body.frame().await.expect("more").expect("read");
        assert!(frame.into_data().expect("data").len() <= 65_536, "never whole in memory");
        assert!(open(0, 0).await.is_end_stream());
        let cut = open(199_999, 2).await.collect().await;
        assert_eq!(cut.expect_err("too short").kind(), io::ErrorKind::UnexpectedEof);
    }
}
