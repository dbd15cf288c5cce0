//! The sandbox's log: what landed stays landed.

use super::*;
use crate::front::sandbox::Kind;

fn now() -> Now {
    Arc::new(|| Timestamp::from_millis(1_700_000_000_000))
}

fn draft(post: &str, key: Option<&str>) -> Draft {
    Draft {
        key: key.map(str::to_owned),
        post: post.into(),
        account: "tester".into(),
        kind: Kind::Post,
        parent: None,
        text: format!("text of {post}"),
        media: Vec::new(),
        created_at: None,
    }
}

fn base() -> Arc<str> {
    "http://localhost".into()
}

fn log_path(dir: &Path) -> std::path::PathBuf {
    dir.join("landings.log")
}

#[tokio::test]
async fn a_key_lands_once_and_a_blind_repeat_shows_as_duplicate() {
    let dir = tempfile::tempdir().expect("a folder");
    let landings = Landings::open(dir.path(), now()).expect("a log");
    let land = async |post, key| landings.land(draft(post, key), &base()).await.expect("landed");
    let first = land("post_1", Some("k1")).await;
    assert_eq!(first.uri, "sandbox://tester/1");
    assert_eq!(first.url, "http://localhost/sandbox/posts/1");
    assert_eq!(land("post_1", Some("k1")).await, first);
    land("post_2", None).await;
    assert_eq!(land("post_2", None).await.n, 3);
    let page = landings.timeline(0, 10).expect("a page");
    let flags: Vec<_> = page.landings.iter().map(|(l, twice)| (l.post.as_str(), *twice)).collect();
    assert_eq!(flags, [("post_1", false), ("post_2", true), ("post_2", true)]);
    assert_eq!((page.total, page.duplicates), (3, 1));
    let second = landings.timeline(1, 1).expect("a page");
    assert_eq!(second.landings.len(), 1);
    assert_eq!(second.landings[0].0.n, 2);
    // A comment of the same post is no duplicate of it.
    let comment = Draft { kind: Kind::Comment, ..draft("post_1", Some("k1#comment")) };
    landings.land(comment, &base()).await.expect("landed");
    assert_eq!(landings.timeline(0, 10).expect("a page").duplicates, 1);
}

#[tokio::test]
async fn equal_keys_at_once_land_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let landings = Landings::open(dir.path(), now()).expect("a log");
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let landings = landings.clone();
        let key = format!("k{}", n % 10);
        tasks.spawn(async move { landings.land(draft(&key, Some(&key)), &base()).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(landings.timeline(0, 1_000).expect("a page").total, 10);
    for answer in answers {
        let answer = answer.expect("landed");
        assert_eq!(answer, landings.landing(answer.n).expect("read").expect("is there"));
    }
}

#[tokio::test]
async fn what_landed_is_in_the_file_before_the_answer_and_survives() {
    let dir = tempfile::tempdir().expect("a folder");
    let landings = Landings::open(dir.path(), now()).expect("a log");
    let first = landings.land(draft("post_1", Some("k1")), &base()).await.expect("landed");
    let text = std::fs::read_to_string(log_path(dir.path())).expect("the file");
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).expect("one JSON line");
    for member in ["post", "key", "kind", "text", "uri", "landedAt"] {
        assert!(line.get(member).is_some(), "{member} in {line}");
    }
    drop(landings);
    let again = Landings::open(dir.path(), now()).expect("a log");
    assert_eq!(again.land(draft("post_1", Some("k1")), &base()).await, Ok(first.clone()));
    assert_eq!(again.of_account("tester", Timestamp::from_millis(0), 10), Ok(vec![first]));
    assert_eq!(again.land(draft("post_2", None), &base()).await.expect("landed").n, 2);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_a_spoilt_earlier_one_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let landings = Landings::open(dir.path(), now()).expect("a log");
    landings.land(draft("post_1", None), &base()).await.expect("landed");
    landings.land(draft("post_2", None), &base()).await.expect("landed");
    drop(landings);
    let whole = std::fs::read(log_path(dir.path())).expect("the file");
    let first_line = whole.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    for cut in [first_line + 1, whole.len() - 10, whole.len() - 1] {
        std::fs::write(log_path(dir.path()), &whole[..cut]).expect("write");
        let again = Landings::open(dir.path(), now()).expect("a log");
        assert_eq!(again.timeline(0, 10).expect("a page").total, 1, "cut at {cut}");
        let next = again.land(draft("post_3", None), &base()).await.expect("landed");
        assert_eq!(next.n, 2);
        drop(again);
        let reread = Landings::open(dir.path(), now()).expect("a log");
        assert_eq!(reread.landing(2), Ok(Some(next)));
    }
    let mut zeroed = whole.clone();
    zeroed[first_line..].fill(0);
    zeroed.push(b'\n');
    std::fs::write(log_path(dir.path()), &zeroed).expect("write");
    let again = Landings::open(dir.path(), now()).expect("a tail of zeroes is torn too");
    assert_eq!(again.timeline(0, 10).expect("a page").total, 1);
    drop(again);
    let mut spoilt = whole.clone();
    spoilt[3] = 0;
    std::fs::write(log_path(dir.path()), &spoilt).expect("write");
    let error = Landings::open(dir.path(), now()).expect_err("must be refused");
    assert!(matches!(error, SandboxError::Corrupt { line: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_read_back_gives_the_newest_since_an_instant() {
    let dir = tempfile::tempdir().expect("a folder");
    let ticks = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let clock: Now = Arc::new(move || {
        Timestamp::from_millis(ticks.fetch_add(1_000, std::sync::atomic::Ordering::Relaxed))
    });
    let landings = Landings::open(dir.path(), clock).expect("a log");
    for n in 0..6 {
        let account = if n % 2 == 0 { "even" } else { "odd" };
        let draft = Draft { account: account.into(), ..draft(&format!("post_{n}"), None) };
        landings.land(draft, &base()).await.expect("landed");
    }
    let posts = |since, max| -> Vec<String> {
        let found = landings.of_account("even", Timestamp::from_millis(since), max);
        found.expect("read").into_iter().map(|landing| landing.post).collect()
    };
    assert_eq!(posts(0, 10), ["post_0", "post_2", "post_4"]);
    assert_eq!(posts(2_000, 10), ["post_2", "post_4"]);
    assert_eq!(posts(0, 2), ["post_2", "post_4"]);
    assert_eq!(posts(4_001, 10), Vec::<String>::new());
    assert!(landings.of_account("none", Timestamp::from_millis(0), 10).expect("read").is_empty());
}
