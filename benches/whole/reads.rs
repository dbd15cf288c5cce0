//! Replay of an equal key, read of a post, first and deep list page, at two sizes of the store.
//!
//! The server keeps a few pages until the next commit. Nothing is committed here, so the first page
//! is measured twice: as it is kept, and with a query that nobody has asked before. Of deep pages
//! there are far more than it keeps.

use std::rc::Rc;
use std::time::Duration;

use crate::args::Args;
use crate::figures::{median, ms};
use crate::http::{Ask, Until, ask, keyed, load};
use crate::limit::Limit;
use crate::rig;
use crate::seed::{Sample, Stored, stored};
use crate::support::{self, Server};

/// How many clients.
const CLIENTS: u64 = 16;
/// Deep pages that are asked for in turn.
const PAGES: usize = 128;

/// Posts of the large set, and how many of them wait.
pub fn large(args: &Args) -> (u64, u64) {
    args.pick((120_000, 100_000), (1_000_000, 100_000))
}

/// The section.
pub fn run(args: &Args) {
    let (posts, waiting) = large(args);
    let sizes = [(10_000, 1_000), (posts, waiting)];
    println!(
        "{:<12} {:>9} {:>7} {:>8} {:>7} {:>7} {:>9} {:>6} {:>9}",
        "what", "posts", "bytes", "ours/s", "p50 ms", "p99 ms", "limit/s", "ratio", "to 10,000"
    );
    let mut first: Vec<f64> = Vec::new();
    for (posts, waiting) in sizes {
        let set = stored(args, posts, waiting);
        let server = rig::start(args, &set.data);
        for (place, (name, make)) in kinds(&server, &set).into_iter().enumerate() {
            let figures = measure(args, &server, make);
            let [rate, p50, p99, limit, ratio, bytes] = figures;
            first.push(rate);
            println!(
                "{name:<12} {posts:>9} {bytes:>7.0} {rate:>8.0} {p50:>7.2} {p99:>7.2} \
                 {limit:>9.0} {ratio:>6.2} {:>9.2}",
                rate / first[place]
            );
        }
        rig::stop(server);
    }
}

type Make = Rc<dyn Fn(u64) -> Ask>;

fn measure(args: &Args, server: &Server, make: Make) -> [f64; 6] {
    let span = args.pick(Duration::from_millis(1_000), Duration::from_secs(2));
    let mut rounds: Vec<[f64; 6]> = Vec::new();
    let mut limit: Option<Limit> = None;
    for _ in 0..args.pick(3, 5) {
        let send = |base: &str, span| {
            let make = Rc::clone(&make);
            load(base, CLIENTS, Until::Elapsed(span), 200, move |_, n| make(n))
        };
        let mut ours = send(&server.base, span);
        let reply = limit.get_or_insert_with(|| Limit::reply(ours.body.len()));
        let least = send(&reply.base, span / 2);
        let bytes = crate::figures::f(ours.body.len() as u64);
        let (p50, p99) = (ms(ours.at(50)), ms(ours.at(99)));
        let ratio = least.rate() / ours.rate();
        rounds.push([ours.rate(), p50, p99, least.rate(), ratio, bytes]);
    }
    let of = |place: usize| median(&rounds.iter().map(|it| it[place]).collect::<Vec<_>>());
    [of(0), of(1), of(2), of(3), of(4), of(5)]
}

fn kinds(server: &Server, set: &Stored) -> [(&'static str, Make); 5] {
    let key: Rc<str> = Rc::from(server.key.as_str());
    let samples: Rc<[Sample]> = Rc::from(set.samples.as_slice());
    let one = |n: u64, count: usize| usize::try_from(n).expect("few") % count;
    let (k, s) = (Rc::clone(&key), Rc::clone(&samples));
    let replay: Make = Rc::new(move |n| {
        let sample = &s[one(n, s.len())];
        keyed(&k, "POST", "/v1/posts", Some(&sample.key), sample.body.clone())
    });
    let (k, s) = (Rc::clone(&key), Rc::clone(&samples));
    let get: Make =
        Rc::new(move |n| ask(&k, "GET", &format!("/v1/posts/{}", s[one(n, s.len())].post), ""));
    let k = Rc::clone(&key);
    let list: Make = Rc::new(move |_| ask(&k, "GET", "/v1/posts?limit=50", ""));
    let k = Rc::clone(&key);
    let anew: Make = Rc::new(move |n| ask(&k, "GET", &format!("/v1/posts?limit=50&n={n}"), ""));
    let pages = deep(server, &samples[..PAGES]);
    let deep: Make = Rc::new(move |n| ask(&key, "GET", &pages[one(n, pages.len())], ""));
    [
        ("replay", replay),
        ("read", get),
        ("first page", list),
        ("made anew", anew),
        ("deep page", deep),
    ]
}

/// Pages that begin at the oldest posts there are.
fn deep(server: &Server, samples: &[Sample]) -> Vec<String> {
    let page = |sample: &Sample| {
        let post = server.get(&format!("/v1/posts/{}", sample.post)).json();
        let before = support::text(&post, "createdAt").replace('+', "%2B");
        let above = server.get(&format!("/v1/posts?limit=1&before={before}")).json();
        above["nextCursor"].as_str().map(|cursor| format!("/v1/posts?limit=50&cursor={cursor}"))
    };
    // The very oldest have fewer than a page below them.
    samples.iter().skip(PAGES / 4).filter_map(page).collect()
}
