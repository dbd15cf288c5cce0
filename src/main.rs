//! Fanfare: one process that publishes, and the commands to look after it.

use std::process::ExitCode;

use fanfare::app;
use fanfare::cli::Doors;

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
