//! What is told on standard error: how much of it, and in which form.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

/// Starts it, for the whole process.
pub(super) fn start(config: &Config) {
    // Other crates speak when something is wrong; their day-to-day is not an operator's.
    let level = config.log.level.as_str().parse().unwrap_or(LevelFilter::INFO);
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("fanfare", level);
    let log =
        tracing_subscriber::fmt::layer().with_ansi(stderr().is_terminal()).with_writer(stderr);
    let base = tracing_subscriber::registry().with(filter);
    let set = match config.log.format {
        LogFormat::Text => base.with(log).try_init(),
        LogFormat::Json => base.with(log.json().flatten_event(true)).try_init(),
    };
    // Only a second log in one process is refused, and the first does as well.
    drop(set);
}
