//! The whole server under load over loopback, every figure beside its limit in the same run.
//!
//! `benches/README.md` tells what is measured, how, and what came out. Nothing here is a test:
//! machines are shared and noisy, so ours and the limit take turns, and the ratio is what counts.

#![expect(clippy::print_stdout, reason = "a benchmark shows its figures")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod accepts;
mod args;
mod batches;
mod disk;
mod engine;
mod figures;
mod footprint;
mod http;
mod immediate;
mod lateness;
mod limit;
mod procfs;
mod reads;
mod rig;
mod seed;
mod size;
mod trace;
mod upstream;

use std::time::{Duration, Instant};

use args::Args;
// The limits get the server's allocator.
#[cfg(not(target_env = "msvc"))]
use tikv_jemalloc_sys as _;

/// What others may take of one core, in per cent, before figures are worth little.
const OTHERS_MAX: f64 = 10.0;

/// What is measured, in the order it is printed.
type Section = (&'static str, &'static str, fn(&Args));

const SECTIONS: [Section; 9] = [
    ("accepts", "durable accepts of scheduled posts over HTTP", accepts::run),
    ("engine", "the same without HTTP: the engine alone", engine::run),
    ("immediate", "one immediate publish after another, one client", immediate::latency),
    ("cpu", "immediate publishes, 64 clients: CPU time of one batch", immediate::cpu),
    ("lateness", "how late a due post reaches its platform", lateness::run),
    ("batches", "commits and fsyncs of one batch", batches::run),
    ("reads", "replay, read and list, 16 clients", reads::run),
    ("footprint", "start, memory and idle CPU", footprint::run),
    ("size", "bytes on disk after inserts, updates and deletes", size::run),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // The limits run in processes of their own, as the server does.
    if words.first().is_some_and(|word| word == limit::WORD) {
        limit::serve(&words[1..]);
        return;
    }
    let args = Args::read(&words, &SECTIONS.map(|(name, what, _)| (name, what)));
    println!("binary: {}, {:.1} MB", args.binary.display(), figures::mb(args.binary_bytes()));
    println!("cores: {}, sizes: {}", procfs::cores(), if args.quick { "quick" } else { "full" });
    for (name, what, run) in SECTIONS.iter().filter(|(name, ..)| args.wants(name)) {
        println!("\n## {name}: {what}\n");
        let (began, before) = (Instant::now(), procfs::shares());
        run(&args);
        warn(began.elapsed(), before);
    }
}

/// Says how busy others kept the machine: a loop that waits for the disk suffers from them more
/// than a server does, so they bend ratios too.
fn warn(span: Duration, before: (Duration, Duration)) {
    let others = procfs::shares().1.saturating_sub(before.1).as_secs_f64();
    let share = others / span.as_secs_f64() * 100.0;
    println!("\n(others took {share:.0} % of one core meanwhile)");
    if share > OTHERS_MAX {
        println!("(that is too much: these figures are worth little)");
    }
}
