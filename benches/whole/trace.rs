//! What a server asks of its disk, counted from outside: by strace, in a short run of its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::args::Args;
use crate::figures::f;
use crate::rig;
use crate::support::{self, Server};

/// The calls that write a store, and those that make it durable.
const CALLS: &str = "trace=pwrite64,pwritev,pwritev2,fdatasync,fsync,sync_file_range,msync";

/// After a flush the store notes how many commits it has reached: so many bytes, as nothing else.
const REACHED_BYTES: u64 = 12;

/// What was asked of the disk during some work.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    /// Flushes of the store: turns of the engine that wrote something.
    pub flushes: u64,
    /// fsync and fdatasync.
    pub syncs: u64,
    /// Bytes written to files.
    pub bytes: u64,
    /// Commits of the store.
    pub commits: u64,
}

/// Runs some work on a server on a new folder; `None` where there is no strace.
pub fn traced<T>(
    args: &Args,
    prepare: impl FnOnce(&Server) -> T,
    work: impl FnOnce(&Server, T),
) -> Option<Trace> {
    Command::new("strace").arg("--version").output().ok()?;
    let folder = rig::scratch();
    let (data, log) = (folder.path().join("data"), folder.path().join("trace"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "--seccomp-bpf", "-ttt", "-s", "0", "-e", CALLS, "-o"]);
    strace.arg(&log).arg(&args.binary);
    let mut server = rig::launch(strace, &data);
    let real = Real { pid: pid(&server) };
    let prepared = prepare(&server);
    let (commits, from) = (commits(&server), SystemTime::now());
    work(&server, prepared);
    // The last flush may not be noted yet when its answer is read.
    support::after(Duration::from_millis(100));
    let (made, to) = (self::commits(&server) - commits, SystemTime::now());
    drop(real);
    server.died();
    let text = std::fs::read_to_string(log).expect("strace wrote it");
    Some(Trace { commits: made, ..read(&text, from, to) })
}

/// The traced process: killing strace would leave it.
struct Real {
    pid: String,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.pid]).status();
    }
}

fn pid(server: &Server) -> String {
    let text = std::fs::read_to_string(server.data.join("store/pid")).expect("it says who it is");
    text.trim().to_owned()
}

/// Commits of a store so far: it keeps their count beside the tree.
fn commits(server: &Server) -> u64 {
    let path: PathBuf = server.data.join("store/reached");
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.first_chunk().map_or(0, |count| u64::from_be_bytes(*count))
}

fn read(text: &str, from: SystemTime, to: SystemTime) -> Trace {
    let seconds =
        |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let (from, to) = (seconds(from), seconds(to));
    let mut trace = Trace { flushes: 0, syncs: 0, bytes: 0, commits: 0 };
    for line in text.lines() {
        // `PID TIME call(…) = RESULT`, and an interrupted call has a second line with its result.
        let mut words = line.split_whitespace().skip(1);
        let at: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        let call = words.next().unwrap_or_default();
        let resumed = call == "<...";
        let call = if resumed { words.next().unwrap_or_default() } else { call };
        if at < from || at > to {
            continue;
        }
        let result = line.rsplit_once("= ").and_then(|(_, word)| word.trim().parse::<u64>().ok());
        if call.starts_with("pwrite") {
            trace.bytes += result.unwrap_or(0);
            trace.flushes += u64::from(result == Some(REACHED_BYTES));
        } else if !resumed && (call.starts_with("fdatasync") || call.starts_with("fsync")) {
            trace.syncs += 1;
        }
    }
    trace
}

impl Trace {
    /// Bytes of one flush, on average.
    pub fn flush_bytes(&self) -> f64 {
        f(self.bytes) / f(self.flushes.max(1))
    }
}
