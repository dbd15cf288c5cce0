//! The real binary, killed: at each named point of the sandbox, and at random moments.

#[path = "support/dice.rs"]
mod dice;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dice::Dice;
use serde_json::{Value, json};
use support::{Server, after, landed, landings, start, until};

/// When a scheduled post of the random kills is due: soon, so that kills fall around that moment.
/// A request that comes too late for it is refused, and counts as such.
const SOON: Duration = Duration::from_millis(1_200);
/// When a scheduled post of a named point is due: not before a slow machine has accepted it.
const LATER: Duration = Duration::from_secs(4);
/// Rounds of the random kills; `TORTURE_ROUNDS` sets another number.
const ROUNDS: u64 = 50;
const CRASH: &[&str] = &["sandbox.allow_crash=true", "rate_limit.points=0"];

fn target(class: &str, faults: &[&str]) -> Value {
    let options = json!({ "platform": "sandbox", "class": class, "faults": faults });
    json!({ "platform": "sandbox", "options": options })
}

fn body(text: &str, targets: &[Value], due_in: Option<Duration>) -> String {
    let mut body = json!({ "targets": targets, "text": text });
    if let Some(due_in) = due_in {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let due = now.expect("after 1970") + due_in;
        let ms = i64::try_from(due.as_millis()).expect("fits");
        body["scheduledAt"] = json!(fanfare::model::Timestamp::from_millis(ms).to_string());
    }
    body.to_string()
}

/// Sends until it is answered, over as many process lives as it takes.
fn persist(server: &mut Server, data: &Path, key: &str, body: &str) -> support::Answer {
    loop {
        match server.post_with_key(key, body) {
            Ok(answer) if answer.status != 503 => return answer,
            Ok(_) => after(Duration::from_millis(50)),
            Err(_) => {
                server.died();
                *server = start(data, CRASH);
            }
        }
    }
}

fn settled(server: &Server, batch: &str) -> bool {
    let now = server.get(&format!("/v1/posts/{batch}")).json();
    let waits = |result: &Value| {
        matches!(result["status"].as_str(), Some("queued" | "validated" | "publishing"))
    };
    !now["results"].as_array().expect("results").iter().any(waits)
}

fn check_named_point(point: &str, class: &str, scheduled: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut server = start(&data, CRASH);
    let first_life = server.pid();
    let key = format!("{point}-{class}-{scheduled}");
    let body = body(&key, &[target(class, &[point])], scheduled.then_some(LATER));
    let first = persist(&mut server, &data, &key, &body);
    let batch = first.json()["id"].as_str().expect("an id").to_owned();
    if scheduled {
        assert_eq!((first.status, server.pid()), (202, first_life));
        // The process dies of it when it is due.
        server.died();
        server = start(&data, CRASH);
    }
    assert_ne!(server.pid(), first_life, "{key}: nothing died, so nothing was shown");
    until(&format!("{key} settles"), || settled(&server, &batch));
    let now = server.get(&format!("/v1/posts/{batch}")).json();
    let result = &now["results"][0];
    let post = result["postId"].as_str().expect("a post id");
    let count = landed(&data, post);
    let story = format!("{key}: {count} landings, {result}");
    let unknown = result["error"]["rule"] == "sandbox.publish.outcome_unknown";
    let published = result["status"] == "published" && count == 1;
    let left = usize::from(point != "crash_before_send");
    assert!(published || (class == "blind" && unknown && count == left), "{story}");
    let replays: Vec<_> = (0..2).map(|_| persist(&mut server, &data, &key, &body)).collect();
    assert_eq!(replays[0].body, replays[1].body, "{key}: equal keys, equal bytes");
    assert_eq!(replays[0].header("idempotency-replayed"), Some("true"));
    if scheduled {
        assert_eq!(replays[0].body, first.body, "the first answer is the answer");
    }
    let verified = server.cli(&["journal", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_crash_at_each_named_point_loses_and_doubles_nothing() {
    let classes = ["keyed", "readable", "blind"].map(|class| {
        std::thread::spawn(move || {
            for point in ["crash_before_send", "crash_after_send", "crash_after_answer"] {
                for scheduled in [false, true] {
                    check_named_point(point, class, scheduled);
                }
            }
        })
    });
    for class in classes {
        class.join().expect("every point of the class holds");
    }
}

/// What a client was told.
#[derive(Default)]
struct Told {
    /// The request and the first answer of each key that was accepted.
    accepted: BTreeMap<String, (String, Vec<u8>)>,
    /// Keys that were refused: their schedule had passed before any life accepted them.
    refused: BTreeSet<String>,
}

/// One client: posts under keys of its own, and sends each until it is answered.
fn client(
    n: u64,
    base: &std::sync::RwLock<String>,
    api_key: &str,
    stop: &AtomicBool,
    answered: &AtomicU64,
) -> Told {
    let mut dice = Dice::new(0x9e37_79b9 + n);
    let mut told = Told::default();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        let key = format!("c{n}-{count}");
        let targets: Vec<Value> = (0..1 + dice.next() % 3)
            .map(|t| {
                let class = dice.one_of(&["keyed", "readable", "blind"]);
                let faults = ["none", "none", "timeout_after_send", "timeout_before_send"];
                let mut target = target(class, &[dice.one_of(&faults)]);
                target["text"] = json!(format!("{key} {t}"));
                target
            })
            .collect();
        let body = body(&key, &targets, dice.next().is_multiple_of(3).then_some(SOON));
        loop {
            let here = base.read().expect("not poisoned").clone();
            let headers = [("Idempotency-Key", key.as_str())];
            let sent =
                support::send(&here, Some(api_key), "POST", "/v1/posts", &headers, body.as_bytes());
            match sent {
                Ok(answer) if answer.status == 200 || answer.status == 202 => {
                    answered.fetch_add(1, Ordering::Relaxed);
                    told.accepted.insert(key, (body, answer.body));
                    break;
                }
                Ok(answer) if answer.status == 400 => {
                    assert_eq!(answer.rule(), "scheduledAt.future", "{:?}", answer.json());
                    told.refused.insert(key);
                    break;
                }
                Ok(answer) => assert_eq!(answer.status, 503, "{:?}", answer.json()),
                Err(_) if stop.load(Ordering::Relaxed) => break,
                Err(_) => {}
            }
            after(Duration::from_millis(5));
        }
    }
    told
}

#[test]
fn kills_at_random_moments_lose_and_double_nothing() {
    let rounds = std::env::var("TORTURE_ROUNDS").ok().and_then(|n| n.parse().ok());
    let rounds: u64 = rounds.unwrap_or(ROUNDS);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut server = start(&data, CRASH);
    let api_key = server.key.clone();
    let base = Arc::new(std::sync::RwLock::new(server.base.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..8)
        .map(|n| {
            let (base, stop, answered) =
                (Arc::clone(&base), Arc::clone(&stop), Arc::clone(&answered));
            let api_key = api_key.clone();
            std::thread::spawn(move || client(n, &base, &api_key, &stop, &answered))
        })
        .collect();
    let seed = std::env::var("TORTURE_SEED").ok().and_then(|n| n.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()) << 16 | 0x5eed);
    println!("TORTURE_SEED={seed}");
    let mut dice = Dice::new(seed);
    for _ in 0..rounds {
        let before = answered.load(Ordering::Relaxed);
        until("requests are answered", || answered.load(Ordering::Relaxed) > before + 3);
        after(Duration::from_micros(dice.next() % 60_000));
        server.kill();
        server = start(&data, CRASH);
        base.write().expect("not poisoned").clone_from(&server.base);
    }
    stop.store(true, Ordering::Relaxed);
    let mut told = Told::default();
    for client in clients {
        let mut one = client.join().expect("a client ends");
        told.accepted.append(&mut one.accepted);
        told.refused.append(&mut one.refused);
    }
    let (accepted, refused) = (told.accepted.len(), told.refused.len());
    println!("{accepted} accepted, {refused} refused as too late");
    assert!(accepted as u64 >= rounds, "{accepted} answers in {rounds} rounds");
    check_all(&server, &data, &told);
}

fn check_all(server: &Server, data: &Path, told: &Told) {
    let ids: Vec<String> = told
        .accepted
        .values()
        .map(|(_, body)| {
            let value: Value = serde_json::from_slice(body).expect("JSON");
            value["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    for id in &ids {
        until(&format!("{id} settles"), || settled(server, id));
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for landing in landings(data) {
        let post = landing["post"].as_str().or(landing["postId"].as_str()).expect("a post id");
        *counts.entry(post.to_owned()).or_default() += 1;
    }
    // Also what was accepted and never answered settles, and nothing lands that is not a post.
    let posts = all_posts(server);
    for (post, path) in posts.keys().map(|post| (post, format!("/v1/posts/{post}"))) {
        until(&format!("{post} settles"), || {
            let status = server.get(&path).json()["status"].clone();
            !matches!(status.as_str(), Some("queued" | "validated" | "publishing"))
        });
    }
    // A text begins with the key it was sent under.
    let unasked: Vec<_> = posts
        .iter()
        .filter(|(_, text)| text.split(' ').next().is_some_and(|key| told.refused.contains(key)))
        .collect();
    assert!(unasked.is_empty(), "refused and yet there: {unasked:?}");
    let strays: Vec<_> = counts.keys().filter(|post| !posts.contains_key(*post)).collect();
    assert!(strays.is_empty(), "landed and not known: {strays:?}");
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
    for ((key, (body, answer)), id) in told.accepted.iter().zip(&ids) {
        let again = server.post_with_key(key, body).expect("it answers");
        assert_eq!(&again.body, answer, "{key}: equal keys, equal bytes");
        let asked: Value = serde_json::from_str(body).expect("JSON");
        let now = server.get(&format!("/v1/posts/{id}")).json();
        let results = now["results"].as_array().expect("results");
        let targets = asked["targets"].as_array().expect("targets");
        assert_eq!(results.len(), targets.len(), "{key}: each target has its result");
        for (result, target) in results.iter().zip(targets) {
            let post = result["postId"].as_str().expect("a post id");
            let there = counts.get(post).copied().unwrap_or(0);
            let unknown = result["error"]["rule"] == "sandbox.publish.outcome_unknown";
            let true_word = match result["status"].as_str() {
                Some("published") => there == 1,
                // Only who can neither repeat nor read back may end without knowing.
                _ => unknown && target["options"]["class"] == "blind",
            };
            assert!(true_word, "{key}: {there} landings of {target}: {result}");
        }
    }
    let verified = server.cli(&["journal", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Every post there is, with its text.
fn all_posts(server: &Server) -> BTreeMap<String, String> {
    let (mut posts, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/posts?limit=200{cursor}")).json();
        for post in page["data"].as_array().expect("posts") {
            let word = |name: &str| post[name].as_str().expect("a word").to_owned();
            posts.insert(word("id"), word("text"));
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return posts,
        }
    }
}

#[test]
fn concurrent_pairs_of_one_request_are_one_post_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Arc::new(start(&data, CRASH));
    let pairs: Vec<_> = (0..200)
        .map(|n| {
            let server = Arc::clone(&server);
            std::thread::spawn(move || {
                let send = move |server: &Server| {
                    let body = body(&format!("pair {n}"), &[target("keyed", &[])], None);
                    server.post_with_key(&format!("pair-{n}"), &body).expect("an answer")
                };
                let other = Arc::clone(&server);
                let twin = std::thread::spawn(move || send(&other));
                let one = send(&server);
                (one, twin.join().expect("it ends"))
            })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for pair in pairs {
        let (one, other) = pair.join().expect("it ends");
        assert_eq!((one.status, other.status), (200, 200), "{:?}", one.json());
        assert_eq!(one.body, other.body);
        let replayed = [&one, &other]
            .iter()
            .filter(|answer| answer.header("idempotency-replayed") == Some("true"))
            .count();
        assert_eq!(replayed, 1);
        ids.insert(one.json()["id"].as_str().expect("an id").to_owned());
    }
    assert_eq!((ids.len(), landings(&data).len()), (200, 200));
}

#[test]
fn a_stop_drains_and_the_folder_has_one_holder() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut server = start(&data, &[]);
    let pid = server.pid().to_string();
    let second = support::try_start(&data, &[]).err().expect("it is refused");
    assert!(second.contains(&format!("pid {pid}")), "{second}");
    let (base, key) = (server.base.clone(), server.key.clone());
    let options = json!({ "platform": "sandbox", "latencyMs": 700 });
    let targets = json!([{ "platform": "sandbox", "options": options }]);
    let slow = json!({ "targets": targets, "text": "slow" }).to_string();
    let waiting = std::thread::spawn(move || {
        support::send(&base, Some(&key), "POST", "/v1/posts", &[], slow.as_bytes())
    });
    until("it is being published", || {
        let list = server.get("/v1/posts?status=publishing").json();
        list["data"].as_array().is_some_and(|posts| posts.len() == 1)
    });
    server.terminate();
    let answer = waiting.join().expect("it ends").expect("it is answered");
    assert_eq!(answer.json()["status"], "published");
    assert!(server.died().success());
    let listed = support::cli(&data, &["batch", "list", "--json"]);
    let value: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(value["data"][0]["targets"][0]["stands"], "published", "with no server running");
}
