//! The whole server under everything at once: the built binary, 16 clients, a platform in another
//! process that counts, SIGKILL, SIGSTOP, a clock that steps forward and back while the server runs
//! and while it is down, and a disk that is full at times.
//!
//! `TORTURE_SECONDS` sets how long blows fall: 30 if not set, 600 before a release. `TORTURE_SEED`
//! gives the same requests and blows again; threads still take turns as they like. `FAULT_SCRATCH`
//! names a disk. What is checked stands in `src/selftest/check.rs`; `fanfare selftest` is the same
//! without what needs `shim.c` between the server and its clock and disk.

#[path = "faults/shim.rs"]
#[expect(dead_code, reason = "of the shim this needs the library alone")]
mod shim;

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fanfare::model::{Millis, Now, Timestamp};
use fanfare::selftest::{Options, Report, SelftestError, Trick, Tricks, run};
use fanfare::upstream::{HttpUpstream, UpstreamOptions};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn clock() -> Now {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        Timestamp::from_millis(i64::try_from(since.as_millis()).expect("fits"))
    })
}

/// The shim between a server and its clock and disk, moved by a file that it looks at.
fn tricks(folder: &Path) -> Tricks {
    let path = folder.join("control");
    std::fs::write(&path, [0; 16]).expect("room");
    let control = File::options().write(true).open(&path).expect("it was just written");
    let play = move |trick| {
        let (at, value) = match trick {
            Trick::ClockAhead(ahead) => (0, ahead),
            Trick::DiskFull(full) => (8, i64::from(full)),
        };
        control.write_all_at(&value.to_ne_bytes(), at).expect("a number is written");
    };
    let variable = |name: &str, value: &Path| (OsString::from(name), value.as_os_str().to_owned());
    let environment = vec![
        variable("LD_PRELOAD", shim::library()),
        variable("FAULT_ROOT", &folder.join("disk")),
        variable("FAULT_CONTROL", &path),
    ];
    Tricks { environment, play: Arc::new(play) }
}

fn torture(folder: &Path, seconds: u64, seed: u64) -> Result<Report, SelftestError> {
    let now = clock();
    let outward = UpstreamOptions {
        allow_private: false,
        media_allow_private: false,
        webhooks_allow_private: false,
        allow_crash: false,
    };
    let upstream = HttpUpstream::new(outward, Arc::clone(&now)).expect("TLS");
    let options = Options {
        program: env!("CARGO_BIN_EXE_fanfare").into(),
        folder: folder.join("disk"),
        span: Millis::from_secs(seconds),
        seed,
        now,
        dice: Arc::new(|| 7),
        upstream: Arc::new(upstream),
        tricks: Some(tricks(folder)),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_keep, never) = tokio::sync::watch::channel(false);
    runtime.block_on(run(options, never))
}

#[test]
fn everything_at_once_loses_and_doubles_nothing() {
    let seconds = number("TORTURE_SECONDS").unwrap_or(30);
    let seed = number("TORTURE_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 8);
    println!("TORTURE_SEED={seed}");
    let scratch = match std::env::var_os("FAULT_SCRATCH") {
        Some(place) => tempfile::tempdir_in(place),
        None => tempfile::tempdir(),
    };
    let scratch = scratch.expect("a scratch folder");
    let report = torture(scratch.path(), seconds, seed);
    println!("{report:#?}");
    if report.as_ref().is_ok_and(|report| report.findings.is_empty()) {
        drop(scratch);
    } else {
        println!("kept in {}", scratch.keep().display());
    }
    let report = report.expect("it comes to a report");
    assert_eq!(report.findings, []);
    // A run without one of these would show nothing of it.
    let tally = &report.tally;
    let blows = [tally.kills, tally.stops, tally.clock_steps, tally.full_disks];
    assert!(blows.iter().all(|count| *count > 0), "{tally:?}");
    let posts = ["published", "rejected", "held"].map(|name| report.posts.get(name));
    assert!(posts.iter().all(Option::is_some), "{:?}", report.posts);
    assert!(!report.short_of_room && report.accepted > 20, "{report:?}");
}
