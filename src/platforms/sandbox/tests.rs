//! The sandbox's requests, byte by byte, and its answers.

use std::collections::BTreeMap;

use super::*;
use crate::model::{AccountId, FirstComment, Millis, PostId, Secret, Timestamp};
use crate::platforms::{Access, ClockTrust};

const POST: PostId = PostId::from_raw(0x0190_0000_0000_0000_0000_0000_0000_0001);
const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn access() -> Access {
    Access {
        base_url: "http://127.0.0.1:1".into(),
        platform_account_id: "demo".into(),
        token: Secret::new("t"),
    }
}

fn content(options: &str) -> Content {
    Content {
        text: "shipped".into(),
        first_comment: Some(FirstComment { text: "more".into() }),
        options: Some(options.into()),
        ..Content::default()
    }
}

fn cx<'a>(
    step: &'a str,
    errand: Errand,
    attempt: u32,
    content: &'a Content,
    access: &'a Access,
    receipt: Option<&'a Receipt>,
) -> Context<'a> {
    Context {
        step,
        round: 0,
        errand,
        step_attempt: attempt,
        post: POST,
        account: AccountId::from_raw(1),
        content,
        started_at: AT,
        doubt_since: Some(AT),
        began_at: AT,
        clock_ahead: None,
        clock: ClockTrust::Steady,
        memos: BTreeMap::new(),
        receipt,
        media: Vec::new(),
        access,
        owned: &[],
    }
}

fn sent(step: &str, attempt: u32, options: &str) -> (Value, Option<SandboxFault>) {
    let (content, access) = (content(options), access());
    let receipt = Receipt { uri: Some("sandbox://demo/1".into()), cid: None, url: None };
    let cx = cx(step, Errand::Send, attempt, &content, &access, Some(&receipt));
    let prepared = Sandbox.prepare(&cx).expect("it can be said");
    assert_eq!(prepared, Sandbox.prepare(&cx).expect("again"), "the same bytes");
    let Prepared::Request(request) = prepared else { panic!("{prepared:?}") };
    assert_eq!(request.url, "http://127.0.0.1:1/sandbox/v1/posts");
    let Body::Bytes(body) = request.body else { panic!("a body") };
    (serde_json::from_slice(&body).expect("JSON"), request.fault)
}

#[test]
fn the_class_decides_the_key_and_never_the_attempt() {
    for (options, class, keyed) in [
        ("{}", "sandbox", true),
        (r#"{"class":"readable"}"#, "sandbox-readable", false),
        (r#"{"class":"blind"}"#, "sandbox-blind", false),
    ] {
        assert_eq!(Sandbox.workflow(&content(options)), class);
        let (first, _) = sent("publish", 1, options);
        let (second, _) = sent("publish", 2, options);
        assert_eq!(first, second);
        assert_eq!(first["key"].is_string(), keyed);
        assert_eq!(first["parent"], Value::Null);
        let (comment, _) = sent("first_comment", 1, options);
        assert_eq!(comment["text"], "more");
        assert_eq!(comment["parent"], "sandbox://demo/1");
        if keyed {
            assert_eq!(first["key"], POST.to_string());
            assert_eq!(comment["key"], format!("{POST}#comment"));
        }
    }
}

#[test]
fn faults_are_used_up_one_an_attempt() {
    let options = r#"{"faults":["crash_before_send","none","garbage"],"latencyMs":7}"#;
    let (body, ours) = sent("publish", 1, options);
    assert_eq!((ours, &body["fault"]), (Some(SandboxFault::CrashBeforeSend), &Value::Null));
    assert_eq!(body["latencyMs"], 7);
    assert_eq!(sent("publish", 2, options).1, None);
    assert_eq!(sent("publish", 3, options).0["fault"], "garbage");
    assert_eq!(sent("publish", 4, options).0["fault"], Value::Null);
    assert_eq!(sent("first_comment", 3, options).0["fault"], Value::Null);
}

fn heard(status: u16, body: &str) -> Answer {
    let headers = vec![("retry-after".to_owned(), "2".to_owned())];
    Answer::Heard { status, headers, body: body.as_bytes().to_vec(), at: AT }
}

fn check(step: &str, errand: Errand, answer: Answer, expected: &str) {
    let (content, access) = (content("{}"), access());
    let cx = cx(step, errand, 1, &content, &access, None);
    let got = format!("{:?}", Sandbox.interpret(&cx, &answer));
    assert!(got.starts_with(expected), "{step} {answer:?}: {got}");
}

#[test]
fn answers_mean_what_the_contract_says() {
    use Errand::{Probe, Send};
    let good = r#"{"uri":"sandbox://demo/1","cid":"c"}"#;
    let silent = || Answer::MaybeSent { why: "reset".into() };
    let unsent = || Answer::NotSent { why: "refused".into() };
    check("publish", Send, heard(200, good), "Done");
    check("publish", Send, heard(200, "<html>"), "Unknown");
    check("publish", Send, heard(429, "{}"), "Parked");
    check("publish", Send, heard(401, "{}"), "Reauth");
    check("publish", Send, heard(422, "{}"), "Refuse");
    check("publish", Send, heard(503, "busy"), "Unknown");
    check("publish", Send, silent(), "Unknown");
    check("publish", Send, unsent(), "Retry");
    check("upload", Send, heard(200, r#"{"ref":"abc"}"#), "Done");
    check("upload", Send, heard(200, "<html>"), "Retry");
    check("upload", Send, heard(503, ""), "Retry");
    check("upload", Send, silent(), "Retry");
    check("upload", Send, heard(413, "{}"), "Refuse");
    check("publish", Probe, heard(200, r#"{"posts":[]}"#), "Absent");
    check("publish", Probe, heard(200, "<html>"), "Retry");
    check("publish", Probe, silent(), "Retry");
    check("publish", Probe, heard(429, "{}"), "Parked");
}

#[test]
fn a_read_back_finds_its_own_post_and_no_other() {
    let (content, access) = (content("{}"), access());
    let post = |uri: &str, text: &str, media: u64, landed: i64| {
        json!({
            "uri": uri, "cid": "c", "text": text, "parent": null, "media": media,
            "landedAt": Timestamp::from_millis(AT.as_millis() + landed).to_string(),
        })
    };
    let find = |posts: Vec<Value>, owned: &[String]| {
        let base = cx("publish", Errand::Probe, 1, &content, &access, None);
        let cx = Context { owned, ..base };
        let body = json!({ "posts": posts }).to_string();
        match Sandbox.interpret(&cx, &heard(200, &body)) {
            Verdict::Done(output) => output.receipt.and_then(|receipt| receipt.uri),
            Verdict::Absent => None,
            other => panic!("{other:?}"),
        }
    };
    let ours = post("u1", " shipped\r\n", 0, 5);
    assert_eq!(find(vec![ours.clone()], &[]), Some("u1".into()));
    assert_eq!(find(vec![ours.clone()], &["u1".to_owned()]), None, "it is another post's");
    assert_eq!(find(vec![post("u2", "other", 0, 5)], &[]), None);
    assert_eq!(find(vec![post("u3", "shipped", 1, 5)], &[]), None);
    assert_eq!(find(vec![post("u4", "shipped", 0, -130_000)], &[]), None, "too long before");
    let both = vec![post("u0", "shipped", 0, 1), ours];
    assert_eq!(find(both, &["u0".to_owned()]), Some("u1".into()));
}

#[test]
fn a_wrong_clock_hides_no_post_and_adopts_none() {
    let (content, access) = (content("{}"), access());
    let base = || cx("publish", Errand::Probe, 1, &content, &access, None);
    let date = |ms: i64| {
        let at = jiff::Timestamp::from_millisecond(AT.as_millis() + ms).expect("a time");
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        printer.timestamp_to_rfc9110_string(&at).expect("a date")
    };
    let body = |landed: i64| {
        let landed = Timestamp::from_millis(AT.as_millis() + landed).to_string();
        let post = json!({ "uri": "u", "text": "shipped", "parent": null, "media": 0,
            "landedAt": landed });
        json!({ "posts": [post] }).to_string().into_bytes()
    };
    let read = |cx: &Context<'_>, their_ms: i64, landed: i64| {
        let headers = vec![("date".to_owned(), date(their_ms))];
        let body = body(landed);
        Sandbox.interpret(cx, &Answer::Heard { status: 200, headers, body, at: AT })
    };
    let hour = 3_600_000;
    // Our clock is an hour ahead and we do not know yet: no evidence, either way.
    assert!(matches!(read(&base(), -hour, -hour), Verdict::Retry { .. }));
    // We know it: what landed an hour ago by their clock landed just now.
    let knows = Context { clock_ahead: Some(hour), clock: ClockTrust::Wrong, ..base() };
    assert!(matches!(read(&knows, -hour, -hour), Verdict::Done(_)));
    // The clock was set back since: the one from an hour before may be ours, and may be not.
    let moved = Context { clock: ClockTrust::Wrong, ..base() };
    assert!(matches!(read(&moved, 0, -hour), Verdict::Refuse { .. }));
    assert_eq!(read(&moved, 0, -50 * hour), Verdict::Absent);
    let set_back = Context { doubt_since: Some(AT.plus(Millis(600_000))), ..base() };
    assert!(matches!(read(&set_back, 0, -hour), Verdict::Refuse { .. }));
    assert_eq!(read(&base(), 0, -hour), Verdict::Absent, "a clock that was never wrong");
    // It may have been set while nobody watched.
    let unwatched = Context { clock: ClockTrust::Unwatched, ..base() };
    assert!(matches!(read(&unwatched, 0, -hour), Verdict::Refuse { .. }));
    assert_eq!(read(&unwatched, 0, -50 * hour), Verdict::Absent);
    assert!(matches!(read(&unwatched, 0, 0), Verdict::Done(_)));
}

#[test]
fn a_full_page_proves_no_absence() {
    let (content, access) = (content("{}"), access());
    let cx = cx("publish", Errand::Probe, 1, &content, &access, None);
    let read = |count: usize| {
        let posts = vec![json!({ "uri": "u", "text": "another" }); count];
        Sandbox.interpret(&cx, &heard(200, &json!({ "posts": posts }).to_string()))
    };
    assert_eq!(read(999), Verdict::Absent);
    let Verdict::Refuse { fault } = read(1_000) else { panic!("ours may be among the older") };
    assert_eq!(fault.outcome, Some(SendOutcome::Unknown));
}

#[test]
fn a_full_page_is_enough_for_an_unwatched_clock_if_it_reaches_to_the_sending() {
    let (content, access) = (content("{}"), access());
    let read = |clock, oldest: Timestamp| {
        let probe = cx("publish", Errand::Probe, 1, &content, &access, None);
        let probe = Context { clock, doubt_since: Some(AT), ..probe };
        let post = |n: usize| {
            let landed = if n == 999 { oldest } else { AT };
            json!({ "uri": "u", "text": "another", "landedAt": landed.to_string() })
        };
        let posts: Vec<Value> = (0..1_000).map(post).collect();
        Sandbox.interpret(&probe, &heard(200, &json!({ "posts": posts }).to_string()))
    };
    let before = AT.minus(Millis(600_000));
    assert_eq!(read(ClockTrust::Unwatched, before), Verdict::Absent);
    assert!(matches!(read(ClockTrust::Unwatched, AT), Verdict::Refuse { .. }));
    assert!(matches!(read(ClockTrust::Wrong, before), Verdict::Refuse { .. }));
}

#[test]
fn only_known_steps_speak_and_a_comment_needs_its_post() {
    let (content, access) = (content("{}"), access());
    for errand in [Errand::Send, Errand::Probe] {
        let other = cx("celebrate", errand, 1, &content, &access, None);
        assert!(Sandbox.prepare(&other).is_err(), "an unknown step must not become a post");
    }
    let nowhere = Receipt::default();
    for receipt in [None, Some(&nowhere)] {
        let alone = cx("first_comment", Errand::Send, 1, &content, &access, receipt);
        let fault = Sandbox.prepare(&alone).expect_err("nowhere to put it");
        assert_eq!(fault.rule.as_deref(), Some("sandbox.first_comment.no_parent"));
    }
}

#[test]
fn a_post_is_these_very_bytes() {
    let (body, _) = sent("publish", 1, r#"{"latencyMs":5,"faults":["garbage"]}"#);
    let expected = concat!(
        r#"{"account":"demo","createdAt":"2027-01-15T08:00:00.000Z","fault":"garbage","#,
        r#""key":"post_01J00000000000000000000001","kind":"post","latencyMs":5,"media":[],"#,
        r#""parent":null,"post":"post_01J00000000000000000000001","text":"shipped"}"#,
    );
    assert_eq!(body.to_string(), expected);
}

#[test]
fn a_rest_is_as_long_as_the_answer_says() {
    let (content, access) = (content("{}"), access());
    let cx = cx("publish", Errand::Send, 1, &content, &access, None);
    match Sandbox.interpret(&cx, &heard(429, "{}")) {
        Verdict::Parked { after, .. } => assert_eq!(after, Millis(2_000)),
        other => panic!("{other:?}"),
    }
}
