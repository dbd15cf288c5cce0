//! What a server takes: time to start, memory, and CPU while it only waits.

use std::time::{Duration, Instant};

use crate::args::Args;
use crate::figures::{f, mb, median};
use crate::http::{Until, ask, load};
use crate::immediate::publish;
use crate::procfs::{self, Switches};
use crate::reads::large;
use crate::rig::{self, House};
use crate::seed::{Stored, raw_rows, stored};
use crate::support::{self, Server};
use crate::upstream::Upstream;

/// The section.
pub fn run(args: &Args) {
    let (posts, waiting) = large(args);
    let set = stored(args, posts, waiting);
    start(args, &set, posts, waiting);
    idle(args);
    full(args, &set, posts, waiting);
    fan_out(args);
}

fn start(args: &Args, set: &Stored, posts: u64, waiting: u64) {
    let mut rounds = Vec::new();
    let count = usize::try_from(posts).expect("fits");
    for _ in 0..args.pick(3, 5) {
        let began = Instant::now();
        let server = ready(args, set);
        let ours = began.elapsed().as_secs_f64();
        rig::stop(server);
        let began = Instant::now();
        let rows = raw_rows(&set.data, count).rows;
        let limit = began.elapsed().as_secs_f64();
        assert_eq!(rows, posts, "there are fewer rows than posts");
        let began = Instant::now();
        raw_rows(&set.data, 1);
        rounds.push([ours, limit, began.elapsed().as_secs_f64()]);
    }
    let of = |place: usize| median(&rounds.iter().map(|it| it[place]).collect::<Vec<_>>());
    println!(
        "start with {posts} posts, {waiting} waiting: ready after {:.2} s; sled alone opens in \
         {:.2} s and reads {posts} rows in {:.2} s; ratio {:.2}",
        of(0),
        of(2),
        of(1) - of(2),
        of(0) / of(1)
    );
}

fn ready(args: &Args, set: &Stored) -> Server {
    let server = rig::start(args, &set.data);
    support::until("it is ready", || server.get("/readyz").status == 200);
    server
}

fn idle(args: &Args) {
    let house = House::open(args);
    support::until("it is ready", || house.server.get("/readyz").status == 200);
    support::after(Duration::from_secs(2));
    memory("idle, new store", house.server.pid());
}

fn full(args: &Args, set: &Stored, posts: u64, waiting: u64) {
    let server = ready(args, set);
    let pid = server.pid();
    memory(&format!("{posts} posts, just started"), pid);
    let (key, samples) = (server.key.clone(), set.samples.clone());
    let span = Duration::from_secs(3);
    load(&server.base, 16, Until::Elapsed(span), 200, move |_, n| {
        let sample = &samples[usize::try_from(n).expect("few") % samples.len()];
        match n % 8 {
            0 => ask(&key, "GET", "/v1/posts?limit=200", ""),
            _ => ask(&key, "GET", &format!("/v1/posts/{}", sample.post), ""),
        }
    });
    memory(&format!("{posts} posts, after reads"), pid);
    support::after(Duration::from_secs(5));
    let (cpu, switches, began) = (procfs::cpu(pid), Switches::of(pid), Instant::now());
    support::after(args.pick(Duration::from_secs(15), Duration::from_secs(60)));
    let span = began.elapsed().as_secs_f64();
    let cpu = (procfs::cpu(pid) - cpu).as_secs_f64();
    println!(
        "idle with {waiting} timers, for {span:.0} s: {:.3} % of a core, {:.1} voluntary context \
         switches a second",
        cpu / span * 100.0,
        f(Switches::of(pid).since(&switches)) / span
    );
    rig::stop(server);
}

fn fan_out(args: &Args) {
    const CLIENTS: u64 = 64;
    const TARGETS: usize = 25;
    let (upstream, house) = (Upstream::fresh(), House::open(args));
    let accounts = rig::connect_bluesky(&house.server, &upstream, 64 * TARGETS);
    procfs::reset_high_water(house.server.pid());
    let span = args.pick(Duration::from_secs(3), Duration::from_secs(10));
    publish(&house.server, accounts, CLIENTS, TARGETS, Until::Elapsed(span));
    memory("64 clients with 25 targets each", house.server.pid());
}

fn memory(what: &str, pid: u32) {
    let (now, most) = (procfs::size(pid, "VmRSS"), procfs::size(pid, "VmHWM"));
    println!("memory, {what}: {:.1} MB, at most {:.1} MB", mb(now), mb(most));
}
