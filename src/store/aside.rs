//! Work that blocks, for those who must not.

/// The work broke off by a mistake of ours; the log has it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BrokeOff(String);

/// Runs what reads the store or a file, or takes long, where waiting holds nobody up: on a thread
/// for such work. A runtime of one thread, as the simulation's, runs it in place, so that the same
/// seed gives the same order.
///
/// # Errors
/// When the work panicked.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BrokeOff> {
    use tokio::runtime::{Handle, RuntimeFlavor};
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|problem| BrokeOff(problem.to_string()))
}
