//! Durable accepts: posts scheduled for later, each under a key of its own, one sandbox target.

use std::time::Duration;

use crate::args::Args;
use crate::disk::Log;
use crate::figures::{f, median, ms};
use crate::http::{Ask, Outcome, Until, keyed, load};
use crate::procfs;
use crate::rig::{self, House};
use crate::support::Server;
use crate::trace::{Trace, traced};

/// How many clients.
const CLIENTS: [u64; 4] = [1, 16, 64, 512];
/// What is taken for one accept's bytes where nothing can count them.
const BYTES: f64 = 4_000.0;

/// The section.
pub fn run(args: &Args) {
    println!(
        "{:>7} {:>9} {:>7} {:>7} {:>6} {:>6} {:>8} {:>9} {:>6} {:>7} {:>7}",
        "clients",
        "accepts/s",
        "p50 ms",
        "p99 ms",
        "group",
        "syncs",
        "bytes",
        "limit/s",
        "ratio",
        "cpu us",
        "load us"
    );
    let groups = CLIENTS.map(|clients| Group::of(args, clients));
    let house = House::open(args);
    let mut log = Log::create(&house.folder());
    let mut rounds: [Vec<Round>; CLIENTS.len()] = Default::default();
    // Short turns, all counts of clients in each round: the disk has good minutes and bad ones.
    for _ in 0..args.pick(7, 21) {
        for (place, clients) in CLIENTS.into_iter().enumerate() {
            rounds[place].push(Round::run(args, &house, clients, &groups[place], &mut log));
        }
    }
    for ((clients, group), rounds) in CLIENTS.into_iter().zip(&groups).zip(&rounds) {
        let of = |figure: fn(&Round) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        println!(
            "{clients:>7} {:>9.0} {:>7.2} {:>7.2} {:>6.1} {:>6.2} {:>8.0} {:>9.0} {:>6.3} {:>7.0} \
             {:>7.0}",
            of(|it| it.rate),
            of(|it| it.p50),
            of(|it| it.p99),
            group.accepts,
            group.syncs,
            group.bytes / group.accepts,
            of(|it| it.limit),
            of(|it| it.rate / it.limit),
            of(|it| it.cpu_us),
            of(|it| it.load_us),
        );
    }
    let fall = rounds[3].iter().zip(&rounds[2]).map(|(many, few)| many.rate / few.rate);
    let fall = median(&fall.collect::<Vec<_>>());
    println!("\n512 clients against 64: {fall:.2} of the rate");
}

/// What one flush carries, on average.
struct Group {
    accepts: f64,
    syncs: f64,
    bytes: f64,
}

impl Group {
    /// Counted in a run of its own, where the counting may slow it.
    fn of(args: &Args, clients: u64) -> Self {
        let span = args.pick(Duration::from_secs(1), Duration::from_secs(3));
        let mut accepted = 0;
        let trace =
            traced(args, |_| (), |server, ()| accepted = accept(server, clients, span).count);
        match trace {
            Some(Trace { flushes, syncs, bytes, .. }) if flushes > 0 => {
                let each = |sum: u64| f(sum) / f(flushes);
                Self { accepts: each(accepted), syncs: each(syncs), bytes: each(bytes) }
            }
            _ => {
                println!("(no strace: a flush is taken to carry every client's accept)");
                Self { accepts: f(clients), syncs: 1.0, bytes: f(clients) * BYTES }
            }
        }
    }
}

struct Round {
    rate: f64,
    p50: f64,
    p99: f64,
    limit: f64,
    cpu_us: f64,
    load_us: f64,
}

impl Round {
    fn run(args: &Args, house: &House, clients: u64, group: &Group, log: &mut Log) -> Self {
        let span = args.pick(Duration::from_millis(600), Duration::from_secs(1));
        let cpu = procfs::cpu(house.server.pid());
        let mut ours = accept(&house.server, clients, span);
        let cpu = procfs::cpu(house.server.pid()) - cpu;
        let flushes = log.rate(bytes(group.bytes), span / 2);
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / f(ours.count);
        let (cpu_us, load_us) = (each(cpu), each(ours.cpu));
        Self {
            rate: ours.rate(),
            p50: ms(ours.at(50)),
            p99: ms(ours.at(99)),
            limit: flushes * group.accepts,
            cpu_us,
            load_us,
        }
    }
}

/// A size as one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive size")]
pub fn bytes(size: f64) -> usize {
    size as usize
}

fn accept(server: &Server, clients: u64, span: Duration) -> Outcome {
    let id = crate::support::rows(&server.get("/v1/accounts").json())[0].clone();
    let (key, accounts, at) = (server.key.clone(), [rig::text(&id, "id")], rig::far());
    // No two loads on one server may use the same Idempotency-Keys.
    let run = run_name();
    let make = move |_, n| -> Ask {
        let own = format!("{run}-{n}");
        keyed(&key, "POST", "/v1/posts", Some(&own), rig::post(n, &accounts, Some(at)))
    };
    load(&server.base, clients, Until::Elapsed(span), 202, make)
}

/// Another word every time.
pub fn run_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("run{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
