//! Fanfare: one process that publishes, and the commands to look after it.

use std::process::ExitCode;

fn main() -> ExitCode {
    fanfare::cli::main(fanfare::app::serve)
}
