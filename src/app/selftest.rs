//! `fanfare selftest`: this very program as the server, the real clock and dice.

use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::clocks;
use crate::cli::SelftestOptions;
use crate::selftest::{self, Options, Report, SelftestError};
use crate::upstream::{HttpUpstream, UpstreamOptions};

/// Tortures a server in a fresh folder below this one, until it is over or we are told to stop.
///
/// # Errors
/// See `SelftestError`.
pub fn selftest(folder: &Path, wanted: &SelftestOptions) -> Result<Report, SelftestError> {
    let failed = |problem: &dyn std::fmt::Display| SelftestError::Start(problem.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|problem| failed(&problem))?;
    let clocks = clocks();
    let outward = UpstreamOptions {
        allow_private: false,
        media_allow_private: false,
        webhooks_allow_private: false,
        allow_crash: false,
    };
    let upstream = HttpUpstream::new(outward, Arc::clone(&clocks.now));
    let drawn = u64::try_from((clocks.dice)() >> 96).unwrap_or(0);
    let options = Options {
        program: std::env::current_exe().map_err(|problem| failed(&problem))?,
        folder: folder.to_owned(),
        span: wanted.span,
        seed: wanted.seed.unwrap_or(drawn),
        now: clocks.now,
        dice: clocks.dice,
        upstream: Arc::new(upstream.map_err(|problem| failed(&problem))?),
        tricks: None,
    };
    runtime.block_on(async {
        let told = |kind| signal(kind).map_err(|problem| failed(&problem));
        let (mut interrupt, mut terminate, mut hangup) = (
            told(SignalKind::interrupt())?,
            told(SignalKind::terminate())?,
            told(SignalKind::hangup())?,
        );
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            stop.send_replace(true);
        });
        selftest::run(options, stopping).await
    })
}
