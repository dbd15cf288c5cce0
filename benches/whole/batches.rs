//! Commits and fsyncs of one batch, for one client: counted by strace and by the store itself.

use crate::args::Args;
use crate::figures::f;
use crate::http::{Until, keyed, load};
use crate::immediate::publish;
use crate::rig;
use crate::trace::{Trace, traced};
use crate::upstream::Upstream;

/// The section.
pub fn run(args: &Args) {
    let count = args.pick(50, 200);
    println!("{:<32} {:>8} {:>8} {:>7} {:>9}", "a batch", "commits", "flushes", "fsyncs", "bytes");
    let upstream = Upstream::fresh();
    for targets in [1, 5, 25] {
        let trace = traced(
            args,
            |server| rig::connect_bluesky(server, &upstream, targets),
            |server, accounts| {
                publish(server, accounts, 1, targets, Until::Count(count));
            },
        );
        show(&format!("immediate, {targets} targets"), count, trace);
    }
    let trace = traced(
        args,
        |server| rig::connect_sandbox(server, 1),
        |server, accounts| {
            let (key, at) = (server.key.clone(), rig::far());
            let make = move |_, n: u64| {
                let body = rig::post(n, &accounts, Some(at));
                keyed(&key, "POST", "/v1/posts", Some(&n.to_string()), body)
            };
            load(&server.base, 1, Until::Count(count), 202, make);
        },
    );
    show("scheduled, 1 target, accepted", count, trace);
    println!("\nlimit: 1 for the accept and 1 for each visible step's outcome");
}

fn show(what: &str, count: u64, trace: Option<Trace>) {
    let Some(Trace { flushes, syncs, bytes, commits }) = trace else {
        println!("{what:<32} (no strace here)");
        return;
    };
    let each = |sum: u64| f(sum) / f(count);
    println!(
        "{what:<32} {:>8.2} {:>8.2} {:>7.2} {:>9.0}",
        each(commits),
        each(flushes),
        each(syncs),
        each(bytes)
    );
}
