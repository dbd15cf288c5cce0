//! Fanfare: one process that publishes, and the commands to look after it.

use std::process::ExitCode;

use fanfare::app;
use fanfare::cli::Doors;

/// Takes the place of the system's `malloc`, `calloc` and `free` by being linked; what it is told
/// when it is built stands in `.cargo/config.toml`.
#[cfg(not(target_env = "msvc"))]
use tikv_jemalloc_sys as _;

fn main() -> ExitCode {
    fanfare::cli::main(Doors {
        serve: app::serve,
        listen: app::listen_for_webhooks,
        folders: app::folders,
        offline: app::offline,
        verify_backup: app::verify_backup,
        restore_backup: app::restore_backup,
        selftest: app::selftest,
    })
}
