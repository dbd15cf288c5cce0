//! How late a post that is due reaches its platform: many at once, and one on an idle server.

use std::time::{Duration, SystemTime};

use crate::args::Args;
use crate::figures::{median, ms, percentile};
use crate::http::{Until, ask, load};
use crate::limit;
use crate::rig::{self, House};
use crate::support;
use crate::upstream::Upstream;

/// Posts on their way at once: what `engine.platform_slots_max` is by default.
const AT_ONCE: u64 = 128;
/// Accounts that the posts are spread over: an account publishes one post at a time.
const ACCOUNTS: usize = 500;

/// The section.
pub fn run(args: &Args) {
    let upstream = Upstream::fresh();
    let house = House::open(args);
    let accounts = rig::connect_bluesky(&house.server, &upstream, ACCOUNTS);
    burst(args, &house, &upstream, &accounts);
    single(args, &house, &upstream, &accounts);
}

/// So many due at one instant, against a client alone that sends as many.
fn burst(args: &Args, house: &House, upstream: &Upstream, accounts: &[String]) {
    let posts = args.pick(2_000, 10_000);
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let due = SystemTime::now() + Duration::from_secs(5) + Duration::from_millis(posts * 2);
        schedule(house, accounts, posts, move |_| due);
        assert!(SystemTime::now() < due, "this machine cannot accept {posts} posts in time");
        let mut ours = arrivals(upstream, posts, |_| due);
        let (bytes, _) = upstream.bytes();
        let began = SystemTime::now();
        limit::drain(&upstream.base, posts, AT_ONCE, bytes);
        let mut least = arrivals(upstream, posts, |_| began);
        rounds.push([50, 99].map(|percent| {
            (ms(percentile(&mut ours, percent)), ms(percentile(&mut least, percent)))
        }));
    }
    println!("{posts} posts due at one instant, against a client alone that sends as many:");
    for (place, name) in ["p50", "p99"].into_iter().enumerate() {
        let of = |figure: fn((f64, f64)) -> f64| {
            median(&rounds.iter().map(|round| figure(round[place])).collect::<Vec<_>>())
        };
        println!(
            "  {name}: {:.0} ms, limit {:.0} ms, ratio {:.2}",
            of(|(ours, _)| ours),
            of(|(_, limit)| limit),
            of(|(ours, limit)| ours / limit)
        );
    }
}

/// One post after another, each due while nothing else happens.
fn single(args: &Args, house: &House, upstream: &Upstream, accounts: &[String]) {
    const POSTS: u64 = 250;
    let first = SystemTime::now() + Duration::from_secs(5);
    let apart = args.pick(Duration::from_millis(100), Duration::from_millis(150));
    let due = move |n: u64| first + apart * u32::try_from(n).expect("few");
    schedule(house, accounts, POSTS, due);
    assert!(SystemTime::now() < first, "this machine cannot accept {POSTS} posts in time");
    let mut late = arrivals(upstream, POSTS, due);
    println!(
        "{POSTS} single posts, {} ms apart: p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms",
        apart.as_millis(),
        ms(percentile(&mut late, 50)),
        ms(percentile(&mut late, 99)),
        ms(percentile(&mut late, 100))
    );
}

fn schedule(
    house: &House,
    accounts: &[String],
    posts: u64,
    due: impl Fn(u64) -> SystemTime + 'static,
) {
    let (key, accounts) = (house.server.key.clone(), accounts.to_owned());
    let make = move |_, n: u64| {
        let place = usize::try_from(n).expect("few") % accounts.len();
        let own = std::slice::from_ref(&accounts[place]);
        ask(&key, "POST", "/v1/posts", rig::post(n, own, Some(due(n))))
    };
    load(&house.server.base, 64, Until::Count(posts), 202, make);
}

/// How long after its due time each arrived; the n-th arrival is held against the n-th due time.
fn arrivals(upstream: &Upstream, posts: u64, due: impl Fn(u64) -> SystemTime) -> Vec<Duration> {
    let count = usize::try_from(posts).expect("few");
    support::until("every post arrives", || upstream.arrived() >= count);
    let mut arrivals = upstream.take_arrivals();
    assert_eq!(arrivals.len(), count, "a post arrived twice");
    arrivals.sort_unstable();
    let late = |(n, at): (u64, SystemTime)| {
        // Due times have whole milliseconds, so nothing may come before its own.
        let due = due(n);
        at.duration_since(due).unwrap_or_default()
    };
    (0..posts).zip(arrivals).map(late).collect()
}
