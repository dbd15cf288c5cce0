//! Work that may panic without taking along who waits for it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The work panicked, in these words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a panic: {0}")]
pub struct Panicked(String);

/// Work that ends with what it gives, or with its panic. A task of its own would tell as much, at
/// the price of a task.
#[derive(Debug)]
pub struct Caught<F> {
    /// None once it is over: what panicked is not polled again, and may not be sound any more.
    work: Option<Pin<Box<F>>>,
}

/// Catches the panics of `work`.
pub fn caught<F: Future>(work: F) -> Caught<F> {
    Caught { work: Some(Box::pin(work)) }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        let polled = match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(given)) => Ok(given),
            Err(panic) => Err(Panicked(words(panic.as_ref()))),
        };
        let over = self.work.take();
        // What is left of work that panicked may panic once more when it is dropped.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(over)));
        Poll::Ready(match (polled, dropped) {
            (Ok(_), Err(panic)) => Err(Panicked(words(panic.as_ref()))),
            (polled, _) => polled,
        })
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("at the end");
            }
        }
    }

    #[tokio::test]
    async fn what_it_gives_or_its_panic_comes_out() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let words = |text: &str| Err::<(), _>(Panicked(text.to_owned()));
        assert_eq!(caught(async { panic!("plain") }).await, words("plain"));
        let later = caught(async {
            tokio::task::yield_now().await;
            panic!("in {}", "words")
        });
        assert_eq!(later.await, words("in words"));
        let bomb = Bomb;
        let at_its_end = caught(async move {
            let _held = &bomb;
            std::future::ready(()).await;
        });
        assert_eq!(at_its_end.await, words("at the end"));
    }
}
