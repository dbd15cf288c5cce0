//! The body of a request on its way: while it keeps us waiting, its connection may have to leave.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::roster::{Awaited, Seat};

/// The body of a request from a connection.
#[derive(Debug)]
pub struct Arriving {
    body: Incoming,
    seat: Arc<Seat>,
    asked_for: Arc<AtomicBool>,
}

impl Arriving {
    /// A body; `asked_for` turns true when somebody wants to read it.
    pub(super) fn new(body: Incoming, seat: Arc<Seat>, asked_for: Arc<AtomicBool>) -> Self {
        Self { body, seat, asked_for }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.asked_for.store(true, Ordering::Release);
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.seat.awaits(Awaited::Body, frame.is_pending());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.seat.awaits(Awaited::Body, false);
    }
}
