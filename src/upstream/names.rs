//! Finding the addresses of names.
//!
//! The system's resolver blocks, for ten seconds and longer where nobody answers it, and cannot be
//! called off. It is asked on the threads for such work, which files and lists need as well: so
//! only some names are looked up at once, and the others wait for their turn, within the time that
//! their connection has.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::way::Pending;
use crate::model::NAMES_LOOKED_UP_MAX;

/// Finds the addresses of a name.
pub(super) type Lookup =
    Arc<dyn Fn(String) -> Pending<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver.
pub(super) fn system() -> Lookup {
    bounded(NAMES_LOOKED_UP_MAX, |name| Ok((name, 0).to_socket_addrs()?.collect()))
}

/// A resolver that blocks, asked for so many names at once at most.
fn bounded(
    most: usize,
    find: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
) -> Lookup {
    let (places, find) = (Arc::new(Semaphore::new(most)), Arc::new(find));
    Arc::new(move |name| {
        let (places, find) = (Arc::clone(&places), Arc::clone(&find));
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            // The place is taken until the resolver is back, whether anybody still waits or not.
            let finding = tokio::task::spawn_blocking(move || {
                let found = find(&name);
                drop(place);
                found
            });
            finding.await.map_err(io::Error::other)?
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use tokio::sync::mpsc::{self, Receiver};
    use tokio::task::spawn_blocking;

    use super::*;

    /// A resolver that says which name it is asked for, and is back when it is told to.
    fn slow(most: usize) -> (Lookup, Receiver<String>, Sender<()>) {
        let (asked, hear) = mpsc::channel(2);
        let (go, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let find = move |name: &str| {
            asked.try_send(name.to_owned()).expect("the test listens");
            wait.lock().expect("sound").recv().expect("the test goes on");
            Ok(Vec::new())
        };
        (bounded(most, find), hear, go)
    }

    #[test]
    fn names_that_are_looked_up_leave_threads_for_others() {
        // One for a name, and one for whoever reads a list.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().max_blocking_threads(2).build().expect("a runtime");
        runtime.block_on(only_so_many_are_looked_up());
    }

    async fn only_so_many_are_looked_up() {
        let (lookup, mut asked, go) = slow(1);
        let look = |name: &str| tokio::spawn(lookup(name.to_owned()));
        let first = look("first");
        assert_eq!(asked.recv().await.as_deref(), Some("first"));
        let second = look("second");
        // Nobody waits for the first one any more, but the resolver is not back.
        first.abort();
        assert!(first.await.is_err_and(|ended| ended.is_cancelled()));
        tokio::task::yield_now().await;
        let list = tokio::time::timeout(Duration::from_secs(20), spawn_blocking(|| "a list")).await;
        assert!(list.is_ok_and(|list| list.is_ok()), "the second name took the last thread");
        assert!(asked.try_recv().is_err(), "its place is taken");
        go.send(()).expect("the resolver waits");
        assert_eq!(asked.recv().await.as_deref(), Some("second"));
        go.send(()).expect("the resolver waits");
        assert!(second.await.expect("it ends").is_ok_and(|found| found.is_empty()));
    }

    #[tokio::test]
    async fn the_system_finds_the_machine_itself() {
        let found = system()("localhost".to_owned()).await.expect("every machine has it");
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
    }
}
