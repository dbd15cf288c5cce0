//! Durable accepts through admission and the engine, without HTTP: what the door costs is the
//! difference to `accepts`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::accepts::bytes;
use crate::args::Args;
use crate::disk::{Log, folder_bytes};
use crate::figures::{f, median};
use crate::rig;
use crate::seed::{self, Inside};

/// The section.
pub fn run(args: &Args) {
    println!(
        "{:>7} {:>9} {:>6} {:>8} {:>9} {:>6}",
        "at once", "accepts/s", "group", "bytes", "limit/s", "ratio"
    );
    let folder = rig::scratch();
    let data = folder.path().join("data");
    seed::prepare(args, &data);
    let runtime = seed::runtime();
    let inside = Arc::new(Inside::open(&runtime, &data));
    let mut log = Log::create(folder.path());
    for at_once in [1, 16, 64, 512] {
        let mut rounds = Vec::new();
        for _ in 0..args.pick(5, 11) {
            let span = args.pick(Duration::from_millis(700), Duration::from_secs(1));
            let before = folder_bytes(&data);
            let turn = *inside.engine.subscribe().borrow();
            let (count, rate) = accept(&runtime, &inside, at_once, span);
            let turns = f(*inside.engine.subscribe().borrow() - turn).max(1.0);
            let grown = f(folder_bytes(&data).saturating_sub(before)).max(1.0);
            let limit = log.rate(bytes(grown / turns), span / 2) * f(count) / turns;
            rounds.push([rate, f(count) / turns, grown / f(count), limit, rate / limit]);
        }
        let of = |place: usize| median(&rounds.iter().map(|it| it[place]).collect::<Vec<_>>());
        println!(
            "{at_once:>7} {:>9.0} {:>6.1} {:>8.0} {:>9.0} {:>6.3}",
            of(0),
            of(1),
            of(2),
            of(3),
            of(4)
        );
    }
    Arc::into_inner(inside).expect("nobody else has it").close(&runtime);
}

fn accept(
    runtime: &tokio::runtime::Runtime,
    inside: &Arc<Inside>,
    at_once: u64,
    span: Duration,
) -> (u64, f64) {
    let (began, over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let run = crate::accepts::run_name();
    let counts = inside.spread(runtime, at_once, move |inside, account, client| {
        let (run, over) = (run.clone(), Arc::clone(&over));
        async move {
            let mut done = 0;
            while !over.load(Ordering::Relaxed) {
                let body = rig::post(client, std::slice::from_ref(&account), Some(rig::far()));
                let key = format!("{run}-{client}-{done}");
                seed::first_post(&inside.create(Some(&key), &body).await);
                done += 1;
                over.fetch_or(began.elapsed() >= span, Ordering::Relaxed);
            }
            done
        }
    });
    let total = counts.iter().sum();
    (total, f(total) / began.elapsed().as_secs_f64())
}
