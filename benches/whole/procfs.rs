//! What the system says about a process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::time::Duration;

/// Ticks of the clock that CPU time is counted in, a second: so on every Linux there is.
const TICKS: f64 = 100.0;

/// CPU time that a process has used, in user and system mode.
pub fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; what is behind it is plain.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    sum(fields.split_whitespace().skip(11).take(2))
}

/// CPU time that this process and all that it started and has seen end took, and that of everybody
/// else on the machine, since it began.
pub fn shares() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ours = sum(fields.split_whitespace().skip(11).take(4));
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let all: Vec<&str> = stat.lines().next().unwrap_or_default().split_whitespace().collect();
    // user, nice and system, interrupts, and what other machines took of this one.
    let busy = [1, 2, 3, 6, 7, 8].into_iter().filter_map(|place| all.get(place).copied());
    (ours, sum(busy).saturating_sub(ours))
}

fn sum<'a>(ticks: impl Iterator<Item = &'a str>) -> Duration {
    let sum: f64 = ticks.filter_map(|word| word.parse::<f64>().ok()).sum();
    Duration::from_secs_f64(sum / TICKS)
}

/// CPU time of this process.
pub fn own_cpu() -> Duration {
    cpu(std::process::id())
}

/// A size in bytes from `/proc/PID/status`: `VmRSS`, `VmHWM`.
pub fn size(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    number(&status, name).unwrap_or(0) * 1_024
}

/// Makes the high water mark start again from what there is now.
pub fn reset_high_water(pid: u32) {
    let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// How often each thread of a process gave its core away by itself so far.
#[derive(Debug)]
pub struct Switches(BTreeMap<OsString, u64>);

impl Switches {
    /// Those of a process.
    pub fn of(pid: u32) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let count = |task: DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status")).ok()?;
            Some((task.file_name(), number(&status, "voluntary_ctxt_switches")?))
        };
        Self(tasks.filter_map(count).collect())
    }

    /// How many there were since; what a thread did that has ended is not known.
    pub fn since(&self, before: &Self) -> u64 {
        let fresh = |(thread, count): (&OsString, &u64)| {
            count.saturating_sub(before.0.get(thread).copied().unwrap_or(0))
        };
        self.0.iter().map(fresh).sum()
    }
}

/// How many cores there are.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}
