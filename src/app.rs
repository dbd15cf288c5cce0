//! The wiring.

use std::process::ExitCode;

use crate::cli::ServeOptions;

/// Starts the server.
pub fn serve(_options: ServeOptions) -> ExitCode {
    ExitCode::SUCCESS
}
