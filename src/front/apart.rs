//! Work that is finished even when nobody waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Work that goes on by itself when it is dropped half way, as it is when a client hangs up. Until
/// then it runs where it is awaited: a task of its own for each request would be woken across
/// threads several times, which costs more than most requests.
pub struct Apart<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

/// Work that is finished in any case, once it has begun.
pub fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Apart<T> {
    Apart { work: Some(Box::pin(work)) }
}

impl<T: Send + 'static> Future for Apart<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Apart<T> {
    fn drop(&mut self) {
        // Without a runtime the process ends, and work under way with it.
        if let Some(work) = self.work.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            drop(runtime.spawn(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_dropped_half_way_is_finished_by_itself() {
        let (go, wait) = oneshot::channel::<()>();
        let (done, told) = oneshot::channel();
        let mut work = Box::pin(apart(async move {
            let _ = wait.await;
            let _ = done.send("done");
        }));
        let begun = std::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending()));
        assert!(begun.await);
        drop(work);
        go.send(()).expect("somebody waits");
        assert_eq!(told.await, Ok("done"));
    }

    #[tokio::test]
    async fn what_is_over_is_not_run_again() {
        let mut work = Box::pin(apart(async { 7 }));
        assert_eq!(work.as_mut().await, 7);
        assert!(work.work.is_none());
    }
}
