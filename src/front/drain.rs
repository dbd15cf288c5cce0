//! Letting what is under way finish while nothing new is begun.

use tokio::sync::watch;

/// Counts requests under way and knows whether new ones may begin.
#[derive(Debug)]
pub struct Drain {
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    under_way: usize,
    draining: bool,
}

/// The right to finish one request. Dropping it ends the request.
#[derive(Debug)]
pub struct Pass(watch::Sender<State>);

impl Default for Drain {
    fn default() -> Self {
        Self { state: watch::Sender::new(State::default()) }
    }
}

impl Drain {
    /// Begins a request; `None` once the drain has begun.
    pub fn enter(&self) -> Option<Pass> {
        let entered = self.state.send_if_modified(|state| {
            if !state.draining {
                state.under_way += 1;
            }
            !state.draining
        });
        entered.then(|| Pass(self.state.clone()))
    }

    /// Lets nothing new begin.
    pub fn begin(&self) {
        self.state.send_modify(|state| state.draining = true);
    }

    /// Lets nothing new begin, and resolves when nothing is under way.
    pub async fn finish(&self) {
        self.begin();
        // The sender is ours, so the channel cannot close while we wait.
        let _ = self.state.subscribe().wait_for(|state| state.under_way == 0).await;
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.state.borrow().under_way
    }

    /// Whether nothing new may begin.
    pub fn is_draining(&self) -> bool {
        self.state.borrow().draining
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_what_is_under_way_and_lets_nothing_new_begin() {
        let drain = Drain::default();
        let pass = drain.enter().expect("open");
        let mut finish = Box::pin(drain.finish());
        assert!(poll_once(&mut finish).await.is_none(), "one is under way");
        assert!(drain.enter().is_none(), "nothing new");
        assert_eq!(drain.under_way(), 1);
        drop(pass);
        finish.await;
        assert_eq!(drain.under_way(), 0);
    }

    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            out = future => Some(out),
            () = std::future::ready(()) => None,
        }
    }
}
