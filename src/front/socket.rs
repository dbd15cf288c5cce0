//! A connection with deadlines, that says in our words what the HTTP parser refuses, and that
//! closes without cutting its last answer off.
//!
//! A header that is late is refused by the parser as well, so that its client hears why: it is
//! given an end that no header may have.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::roster::{Awaited, Phase, Seat};
use crate::model::Millis;

/// How long a closing connection waits for the other side to read its last answer. Without this
/// wait, bytes still arriving would make the kernel reset the connection and drop the answer.
const LINGER: Millis = Millis(2_000);
/// Bytes read and thrown away while it waits.
const LINGER_BYTES_MAX: usize = 16 << 20;

thread_local! {
    /// Where a read lands on its way to the parser: one a thread, since a connection that is quiet
    /// needs none, and to make one anew for each read costs more than to read.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 16 * 1_024]);
}

/// Ends any header as none may end: the first byte has no place in a method, a target, a version, a
/// name or a value. The rest makes the parser look: it waits for what may be an end.
const NO_HEADER: &[u8] = b"\0\r\n\r\n";
/// The status of a header that is late.
const LATE: u16 = 408;

/// How long a connection may take for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first byte of a header to its end.
    pub header: Millis,
    /// Without a request, or without reading what we write.
    pub idle: Millis,
}

/// Makes the whole answer, head and body, for a status the HTTP parser chose.
pub type Refusal = Arc<dyn Fn(u16) -> Vec<u8> + Send + Sync>;

/// The socket of one connection.
pub struct Socket<T> {
    inner: T,
    seat: Arc<Seat>,
    patience: Patience,
    refusal: Refusal,
    reading: Option<(u64, Pin<Box<Sleep>>)>,
    writing: Option<Pin<Box<Sleep>>>,
    refused: Option<(Vec<u8>, usize)>,
    closing: Option<(Pin<Box<Sleep>>, usize)>,
    late: bool,
}

impl<T> Socket<T> {
    /// Wraps a stream.
    pub fn new(inner: T, seat: Arc<Seat>, patience: Patience, refusal: Refusal) -> Self {
        let (reading, writing, refused, closing) = (None, None, None, None);
        let late = false;
        Self { inner, seat, patience, refusal, reading, writing, refused, closing, late }
    }

    /// Resolves to the phase that the connection is in when that has lasted too long.
    fn poll_phase(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        let (phase, mark) = self.seat.mark();
        let limit = match phase {
            Phase::Quiet => self.patience.idle,
            Phase::Header => self.patience.header,
            // The body's reader and the handler keep their own time.
            Phase::Busy => {
                self.reading = None;
                return Poll::Pending;
            }
        };
        if self.reading.as_ref().is_none_or(|(armed, _)| *armed != mark) {
            self.reading = Some((mark, Box::pin(tokio::time::sleep(limit.as_duration()))));
        }
        if let Some((_, timer)) = &mut self.reading {
            ready!(timer.as_mut().poll(cx));
        }
        Poll::Ready(phase)
    }

    fn poll_patient<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        self.seat.awaits(Awaited::Reading, written.is_pending());
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let idle = self.patience.idle.as_duration();
        let timer = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(late("send an answer")))
    }
}

impl<T: AsyncWrite + Unpin> Socket<T> {
    /// Writes what is left of our own refusal.
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, done)) = &mut self.refused {
            if *done == bytes.len() {
                self.refused = None;
                break;
            }
            let written = Pin::new(&mut self.inner).poll_write(cx, &bytes[*done..]);
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => *done += count,
                other => return self.poll_patient(cx, other.map_ok(|_| ())),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    /// Says a refusal where the HTTP parser gave up without one, and closes as after any answer.
    ///
    /// # Errors
    /// What the system said, or that the other side does not read.
    pub async fn refuse(mut self, status: u16) -> io::Result<()> {
        self.refused = Some(((self.refusal)(status), 0));
        poll_fn(|cx| self.poll_refused(cx)).await?;
        poll_fn(|cx| Pin::new(&mut self).poll_shutdown(cx)).await
    }
}

impl<T: AsyncRead + Unpin> Read for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper's cursor gives no safe view of its memory, so bytes pass through a buffer here.
        let read = SCRATCH.with_borrow_mut(|bytes| {
            let room = buf.remaining().min(bytes.len());
            let mut into = ReadBuf::new(&mut bytes[..room]);
            let read = Pin::new(&mut self.inner).poll_read(cx, &mut into);
            if matches!(read, Poll::Ready(Ok(()))) && !into.filled().is_empty() {
                self.seat.heard();
                buf.put_slice(into.filled());
            }
            read
        });
        match read {
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => match ready!(self.poll_phase(cx)) {
                Phase::Header if !self.late && buf.remaining() >= NO_HEADER.len() => {
                    self.late = true;
                    buf.put_slice(NO_HEADER);
                    Poll::Ready(Ok(()))
                }
                _ => Poll::Ready(Err(late("receive a request"))),
            },
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Write for Socket<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refused(cx))?;
        if let Some(status) = parsers_own(buf) {
            let status = if self.late { LATE } else { status };
            self.refused = Some(((self.refusal)(status), 0));
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.poll_patient(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refused(cx))?;
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        ready!(self.poll_patient(cx, flushed))?;
        // The parser flushes at the end of each round but reads only when woken. So it is here
        // that a connection which has just become quiet gets its timer.
        match self.poll_phase(cx) {
            // It is to be heard of where the parser reads.
            Poll::Ready(Phase::Header) => {
                cx.waker().wake_by_ref();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(_) => Poll::Ready(Err(late("receive a request"))),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refused(cx))?;
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
            if self.seat.dismissed() {
                return Poll::Ready(Ok(()));
            }
            let timer = Box::pin(tokio::time::sleep(LINGER.as_duration()));
            self.closing = Some((timer, 0));
        }
        let Self { inner, closing, .. } = &mut *self;
        let Some((timer, thrown)) = closing else { return Poll::Ready(Ok(())) };
        let mut bytes = [0; 8 * 1_024];
        while timer.as_mut().poll(cx).is_pending() && *thrown < LINGER_BYTES_MAX {
            let mut into = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut *inner).poll_read(cx, &mut into)) {
                Ok(()) if !into.filled().is_empty() => *thrown += into.filled().len(),
                // The other side has closed or is gone: nothing is left to wait for.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what}: took too long"))
}

/// The status, when these bytes are an answer of the HTTP parser itself: every answer of ours
/// names its request, and an interim `100 Continue` is no answer.
fn parsers_own(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    let status = std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?;
    if status < 400 {
        return None;
    }
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let named = bytes[..head].windows(13).any(|name| name == b"x-request-id:");
    (!named).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parsers_own_answers_are_replaced() {
        let check = |text: &str, expected| assert_eq!(parsers_own(text.as_bytes()), expected);
        check(
            "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n",
            Some(431),
        );
        check("HTTP/1.1 400 Bad Request\r\n\r\n", Some(400));
        check("HTTP/1.0 400 Bad Request\r\n\r\n", Some(400));
        check("HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\n\r\n{}", None);
        check("HTTP/1.1 100 Continue\r\n\r\n", None);
        check("HTTP/1.1 200 OK\r\n\r\n", None);
        check("HTTP/1.1 399 Odd\r\n\r\n", None);
        check("{\"text\":\"HTTP/1.1 400\"}", None);
        check("", None);
    }
}
