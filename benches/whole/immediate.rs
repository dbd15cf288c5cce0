//! Immediate publishes over HTTP, to an upstream that answers at once or after 50 ms.

use std::time::{Duration, Instant};

use crate::accepts::{bytes, run_name};
use crate::args::Args;
use crate::disk::Log;
use crate::figures::{f, median, ms, percentile};
use crate::http::{Client, Outcome, Until, ask, keyed, load};
use crate::limit::Limit;
use crate::procfs;
use crate::rig::{self, House};
use crate::support::Server;
use crate::trace::traced;
use crate::upstream::{PUT, Upstream};

/// What is taken for the bytes of one flush where nothing can count them.
const FLUSH_BYTES: f64 = 4_000.0;
/// How late an upstream answers that is far away.
const FAR: Duration = Duration::from_millis(50);

/// One client: its wait against two flushes and one exchange.
pub fn latency(args: &Args) {
    let upstream = Upstream::fresh();
    let accounts = |server: &Server| rig::connect_bluesky(server, &upstream, 1);
    let count = args.pick(50, 200);
    let trace = traced(args, accounts, |server, accounts| {
        publish(server, accounts, 1, 1, Until::Count(count));
    });
    let flush_bytes = trace.map_or(FLUSH_BYTES, |trace| trace.flush_bytes());
    let flushes = trace.map_or(f64::NAN, |trace| f(trace.flushes) / f(count));
    println!("flushes a publish: {flushes:.2}, bytes a flush: {flush_bytes:.0}\n");
    println!("{:>9} {:>4} {:>8} {:>9} {:>6}", "upstream", "", "ours ms", "limit ms", "ratio");
    let house = House::open(args);
    let accounts = rig::connect_bluesky(&house.server, &upstream, 1);
    let mut log = Log::create(&house.folder());
    for (delay, count) in [(Duration::ZERO, args.pick(100, 400)), (FAR, args.pick(10, 40))] {
        upstream.answer_after(delay);
        let mut rounds = Vec::new();
        for _ in 0..args.pick(5, 9) {
            let mut ours = publish(&house.server, accounts.clone(), 1, 1, Until::Count(count));
            let mut limit = least(&upstream, &mut log, bytes(flush_bytes), count);
            rounds.push(
                [50, 99].map(|percent| (ms(ours.at(percent)), ms(percentile(&mut limit, percent)))),
            );
        }
        for (place, name) in ["p50", "p99"].into_iter().enumerate() {
            let of = |figure: fn((f64, f64)) -> f64| {
                median(&rounds.iter().map(|round| figure(round[place])).collect::<Vec<_>>())
            };
            println!(
                "{:>6} ms {name:>4} {:>8.2} {:>9.2} {:>6.2}",
                delay.as_millis(),
                of(|(ours, _)| ours),
                of(|(_, limit)| limit),
                of(|(ours, limit)| ours / limit),
            );
        }
    }
}

/// Two flushes and one exchange, so many times.
fn least(upstream: &Upstream, log: &mut Log, bytes: usize, count: u64) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let (data, mut client) = (vec![7; bytes], Client::connect(&upstream.base).await);
        let mut spans = Vec::new();
        for _ in 0..count {
            let began = Instant::now();
            log.append(&data);
            let post = "{\"repo\":\"did:plc:bench\",\"rkey\":\"3kbench\"}";
            assert_eq!(client.send(ask("none", "POST", PUT, post)).await.0, 200);
            log.append(&data);
            spans.push(began.elapsed());
        }
        spans
    })
}

/// 64 clients: CPU time of one batch against the least that such a server can do.
pub fn cpu(args: &Args) {
    const CLIENTS: u64 = 64;
    let upstream = Upstream::fresh();
    let house = House::open(args);
    let span = args.pick(Duration::from_secs(2), Duration::from_secs(4));
    println!(
        "{:>7} {:>8} {:>9} {:>8} {:>8} {:>9} {:>9} {:>6}",
        "targets", "upstream", "batches/s", "p50 ms", "p99 ms", "cpu us", "limit us", "ratio"
    );
    // An account publishes one post at a time, so every client has accounts of its own.
    let accounts = rig::connect_bluesky(&house.server, &upstream, 64 * 25);
    for (targets, delay) in [(1, Duration::ZERO), (25, Duration::ZERO), (1, FAR), (25, FAR)] {
        upstream.answer_after(delay);
        let mut rounds = Vec::new();
        for _ in 0..args.pick(3, 5) {
            let server = &house.server;
            let before = procfs::cpu(server.pid());
            let mut ours =
                publish(server, accounts.clone(), CLIENTS, targets, Until::Elapsed(span));
            let cpu = procfs::cpu(server.pid()) - before;
            let (post, _) = upstream.bytes();
            let limit = Limit::publish(&upstream.base, post, ours.body.len());
            let before = procfs::cpu(limit.pid());
            let least = publish_to(
                (&limit.base, &server.key),
                accounts.clone(),
                CLIENTS,
                targets,
                Until::Elapsed(span / 2),
            );
            let limit_cpu = procfs::cpu(limit.pid()) - before;
            let each = |cpu: Duration, it: &Outcome| cpu.as_secs_f64() * 1e6 / f(it.count);
            let figures = [
                ours.rate(),
                ms(ours.at(50)),
                ms(ours.at(99)),
                each(cpu, &ours),
                each(limit_cpu, &least),
            ];
            rounds.push(figures);
        }
        upstream.take_arrivals();
        let of = |place: usize| median(&rounds.iter().map(|it| it[place]).collect::<Vec<_>>());
        let ratio = median(&rounds.iter().map(|it| it[3] / it[4]).collect::<Vec<_>>());
        println!(
            "{targets:>7} {:>5} ms {:>9.0} {:>8.1} {:>8.1} {:>9.0} {:>9.0} {ratio:>6.2}",
            delay.as_millis(),
            of(0),
            of(1),
            of(2),
            of(3),
            of(4),
        );
    }
}

/// Publishes; client c has `targets` accounts of its own.
pub fn publish(
    server: &Server,
    accounts: Vec<String>,
    clients: u64,
    targets: usize,
    until: Until,
) -> Outcome {
    publish_to((&server.base, &server.key), accounts, clients, targets, until)
}

fn publish_to(
    (base, key): (&str, &str),
    accounts: Vec<String>,
    clients: u64,
    targets: usize,
    until: Until,
) -> Outcome {
    let (key, run) = (key.to_owned(), run_name());
    let make = move |c: u64, n: u64| {
        let first = usize::try_from(c).expect("few") * targets;
        let body = rig::post(n, &accounts[first..first + targets], None);
        keyed(&key, "POST", "/v1/posts", Some(&format!("{run}-{n}")), body)
    };
    load(base, clients, until, 200, make)
}
