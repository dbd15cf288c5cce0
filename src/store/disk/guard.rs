//! What sled and the system say, as errors of ours; a panic of sled is one more thing it says.

use std::any::Any;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Once;

use crate::store::StoreError;

/// Runs a call of sled that writes.
pub(super) fn guarded<T>(
    op: &'static str,
    run: impl FnOnce() -> sled::Result<T>,
) -> Result<T, StoreError> {
    guarded_or(op, run, |problem| StoreError::Disk { op, problem })
}

/// Runs a call of sled that reads: there, sled gives up only over damage.
pub(super) fn guarded_read<T>(run: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    guarded_or("read", run, damaged_file)
}

fn guarded_or<T>(
    op: &'static str,
    run: impl FnOnce() -> sled::Result<T>,
    gave_up: impl FnOnce(String) -> StoreError,
) -> Result<T, StoreError> {
    match catch(run) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Corruption { .. })) => {
            Err(damaged_file(format!("sled found it damaged during {op}")))
        }
        Ok(Err(error)) => Err(StoreError::Disk { op, problem: error.to_string() }),
        Err(panic) => Err(gave_up(format!("sled gave up: {}", said(&*panic)))),
    }
}

fn damaged_file(problem: String) -> StoreError {
    StoreError::Corrupt { key: "the store's file `db`".to_owned(), problem }
}

/// Runs sled's opening of `folder`. There, whatever is neither a lock nor the system refusing is
/// damage, which only a backup repairs.
pub(super) fn guarded_open(
    folder: &Path,
    run: impl FnOnce() -> sled::Result<sled::Db>,
) -> Result<sled::Db, StoreError> {
    let damaged = |problem: String| StoreError::Corrupt {
        key: format!("the store in {}", folder.display()),
        problem: format!("sled cannot open it ({problem})"),
    };
    match catch(run) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error))) if error.to_string().contains("acquire lock") => {
            Err(StoreError::Busy { folder: folder.display().to_string(), holder: String::new() })
        }
        Ok(Err(sled::Error::Io(error))) => Err(io("open")(error)),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(panic) => Err(damaged(said(&*panic))),
    }
}

/// Closes the tree. It may be that sled cannot write what it still has, but that was promised to
/// nobody: what was is on the disk.
pub(super) fn guarded_close(db: Option<sled::Db>) {
    drop(catch(move || drop(db)));
}

thread_local! {
    /// Whether what this thread panics about becomes an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic. The panic's words are in the error; they are not printed beside it.
fn catch<T>(run: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                print(panic);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let caught = std::panic::catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(outer);
    caught
}

/// Turns a refusal of the system into ours.
pub(super) fn io(op: &'static str) -> impl Fn(std::io::Error) -> StoreError {
    move |error| StoreError::Disk { op, problem: error.to_string() }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_words() {
        let got: Result<(), _> = guarded("commit", || panic!("segment {} is gone", 7));
        let problem = "sled gave up: segment 7 is gone".to_owned();
        assert_eq!(got, Err(StoreError::Disk { op: "commit", problem }));
        let got: Result<(), _> = guarded_read(|| panic!("page 9 makes no sense"));
        assert!(matches!(got, Err(StoreError::Corrupt { .. })), "{got:?}");
    }

    #[test]
    fn a_panic_at_open_asks_for_the_backup() {
        let error = guarded_open(Path::new("data"), || panic!("bad header")).expect_err("a panic");
        let text = error.to_string();
        assert!(text.contains("bad header") && text.contains("restore a backup"), "{text}");
    }
}
