//! Traps of requests that meet: equal ones, and changes that meet the moment of publishing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Server, after, landed, landings, send, until};
use crate::{from_now, house, rows, text};

/// From the request until its posts are due: long enough for a slow machine to accept them.
const LEAD: Duration = Duration::from_millis(3_000);
/// Changes come from this long before the moment to as long after it.
const AROUND: Duration = Duration::from_millis(400);
const TARGETS: u32 = 25;

/// Posts that are all due at one moment, and that moment.
fn due_together(server: &Server) -> (Vec<String>, Instant) {
    let due = Instant::now() + LEAD;
    let targets: Vec<Value> =
        (0..TARGETS).map(|n| json!({ "platform": "sandbox", "text": format!("{n}") })).collect();
    let body = json!({ "targets": targets, "scheduledAt": from_now(LEAD) });
    let made = server.post(&body.to_string());
    assert_eq!(made.status, 202, "{}", made.json());
    let made = made.json();
    let results = made["results"].as_array().expect("results").iter();
    (results.map(|one| text(one, "postId").to_owned()).collect(), due)
}

/// Sends one change for each post, spread around their moment; gives the answers in order.
fn around<F>(server: &Server, posts: &[String], due: Instant, change: F) -> Vec<Answer>
where
    F: Fn(usize) -> (&'static str, String),
{
    let step = AROUND * 2 / TARGETS;
    let threads = (0..).zip(posts).map(|(n, post)| {
        let (base, key) = (server.base.clone(), server.key.clone());
        let path = format!("/v1/posts/{post}");
        let at = due - AROUND + step * n;
        let (method, body) = change(usize::try_from(n).expect("few"));
        std::thread::spawn(move || {
            after(at.saturating_duration_since(Instant::now()));
            send(&base, Some(&key), method, &path, &[], body.as_bytes()).expect("heard")
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().map(|one| one.join().expect("it was answered")).collect()
}

fn settled(server: &Server, post: &str) -> Value {
    let path = format!("/v1/posts/{post}");
    let read = || server.get(&path).json();
    until("it ends", || matches!(text(&read(), "status"), "published" | "canceled"));
    read()
}

/// The kinds of what was told about a post.
fn told(server: &Server, post: &str) -> Vec<String> {
    let events = server.get("/v1/events?limit=200").json();
    let of = rows(&events).iter().filter(|event| event["data"]["id"] == *post);
    of.map(|event| text(event, "type").to_owned()).collect()
}

/// T18, and 20.4's fourth property.
#[test]
fn a_cancel_and_the_moment_of_publishing_exclude_each_other() {
    let (_folder, server) = house(&[]);
    let (posts, due) = due_together(&server);
    let answers = around(&server, &posts, due, |_| ("DELETE", String::new()));
    for (post, answer) in posts.iter().zip(answers) {
        let now = settled(&server, post);
        let (status, landings) = (text(&now, "status"), landed(&server.data, post));
        match answer.status {
            200 => assert_eq!((status, landings), ("canceled", 0), "{now}"),
            409 => assert_eq!((status, landings), ("published", 1), "{now}"),
            other => panic!("{other}: {}", answer.json()),
        }
        let end = format!("post.{status}");
        assert_eq!(told(&server, post), ["post.queued".to_owned(), end], "{now}");
    }
}

/// T17, and 20.4's fourth property.
#[test]
fn an_edit_and_the_moment_of_publishing_exclude_each_other() {
    let (_folder, server) = house(&[]);
    let (posts, due) = due_together(&server);
    // Far enough from the last edit to be taken on a slow machine as well.
    let later = |n: u64| from_now(LEAD + AROUND + Duration::from_millis(3_000 + 500 * n));
    // Every post gets two edits at once; whichever comes last holds whole.
    let answers = [1, 2].map(|n| {
        let at = later(n);
        let body = json!({ "text": at, "scheduledAt": at }).to_string();
        (at, body)
    });
    let (first, second) = std::thread::scope(|scope| {
        let each = |body: &str| {
            let body = body.to_owned();
            let (server, posts) = (&server, &posts);
            scope.spawn(move || around(server, posts, due, |_| ("PATCH", body.clone())))
        };
        let (one, other) = (each(&answers[0].1), each(&answers[1].1));
        (one.join().expect("answered"), other.join().expect("answered"))
    });
    for (n, post) in posts.iter().enumerate() {
        let now = settled(&server, post);
        assert_eq!((text(&now, "status"), landed(&server.data, post)), ("published", 1), "{now}");
        let all = landings(&server.data);
        let landing = all.iter().find(|one| one["post"] == *post || one["postId"] == *post);
        assert_eq!(landing.expect("it landed")["text"], now["text"], "{now}");
        let mut possible = BTreeSet::new();
        for (answer, (at, _)) in [&first[n], &second[n]].into_iter().zip(&answers) {
            assert!(matches!(answer.status, 200 | 409), "{}", answer.json());
            if answer.status == 200 {
                possible.insert(at.as_str());
            }
        }
        let said = text(&now, "text");
        if possible.is_empty() {
            assert_eq!(said, n.to_string(), "no edit held: it went out as it was");
        } else {
            assert!(possible.contains(said), "{said} of {possible:?}");
            assert_eq!(text(&now, "scheduledAt"), said, "time and text are of one edit");
            assert!(text(&now, "publishedAt") >= said, "never before its time: {now}");
        }
        let ends = told(&server, post).iter().filter(|kind| *kind == "post.published").count();
        assert_eq!(ends, 1, "{now}");
    }
}

/// T1, and 20.4's second property.
#[test]
fn many_equal_requests_at_once_are_one() {
    let (_folder, server) = house(&[]);
    let options = json!({ "platform": "sandbox", "latencyMs": 300 });
    let body = json!({ "targets": [{ "platform": "sandbox", "options": options }], "text": "x" });
    let body = body.to_string();
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let (base, key, body) = (server.base.clone(), server.key.clone(), body.clone());
            std::thread::spawn(move || {
                let claim = [("Idempotency-Key", "k")];
                send(&base, Some(&key), "POST", "/v1/posts", &claim, body.as_bytes())
                    .expect("heard")
            })
        })
        .collect();
    let answers: Vec<Answer> =
        threads.into_iter().map(|one| one.join().expect("answered")).collect();
    assert!(answers.iter().all(|one| (one.status, &one.body) == (200, &answers[0].body)));
    let fresh = answers.iter().filter(|one| one.header("idempotency-replayed").is_none());
    assert_eq!((fresh.count(), landings(&server.data).len()), (1, 1));
}

/// T34: the limit counts by key, whatever address a request claims to come from.
#[test]
fn a_claimed_address_escapes_no_limit() {
    let (_folder, server) = house(&["rate_limit.points=3", "rate_limit.window_ms=3600000"]);
    let statuses = [1, 2, 3, 4, 5].map(|n: u8| {
        let claimed = format!("10.0.0.{n}");
        let headers = [("X-Forwarded-For", claimed.as_str()), ("X-Real-IP", &claimed)];
        server.send("GET", "/v1/accounts", &headers, b"").status
    });
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}
