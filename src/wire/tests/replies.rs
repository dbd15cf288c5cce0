//! Replies, compared with their exact text.

use std::sync::Arc;

use super::sample::{NOON, account, batch, links};
use crate::model::{
    Attempt, Batch, Code, Cursor, Errand, Event, Exchange, Fault, JournalEntry, Millis, Outcome,
    Output, PostId, Receipt, SendOutcome, Stamp, StepRef, TargetIx, Verdict, WaitReason, Warning,
};
use crate::wire::{
    AccountWords, PostPage, account_body, accounts_body, attempts, batch_body, batch_reply,
    cancel_body, cursor_of, parse_list, post_body, post_status,
};

const STEP: StepRef = StepRef { step: 0, round: 0 };
const POST: &str = "post_00000000000000000000000001";
const ID: &str = "00000000-0000-0000-0000-000000000001";

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

fn rejected() -> Cursor {
    let fault = Fault::new(Code::PlatformRejected, "refused")
        .rule("bluesky.rejected")
        .response(r#"{"status":422}"#)
        .remedy("change it")
        .outcome(SendOutcome::Rejected);
    Cursor::Ended(Outcome::Rejected(fault))
}

fn running() -> Cursor {
    Cursor::Running(Attempt {
        step: STEP,
        errand: Errand::Send,
        number: 1,
        epoch: 1,
        began_at: NOON,
        deadline: NOON,
    })
}

fn held() -> Cursor {
    let fault = Fault::new(Code::PlatformUnavailable, "not known")
        .rule("bluesky.publish.outcome_unknown")
        .outcome(SendOutcome::Unknown);
    Cursor::Held { step: STEP, fault }
}

fn waiting() -> Cursor {
    Cursor::Waiting { step: STEP, until: NOON, why: WaitReason::Retry }
}

const LIVE: Cursor = Cursor::Ended(Outcome::Published);
const GONE: Cursor = Cursor::Ended(Outcome::Canceled);

fn published(scheduled: bool) -> Batch {
    let mut batch = batch(vec![LIVE, rejected()], scheduled.then_some(NOON));
    let target = Arc::make_mut(&mut batch.targets[0]);
    target.receipt = Some(Receipt {
        uri: Some("at://did:plc:abc/app.bsky.feed.post/3kr".to_owned()),
        cid: Some("bafy".to_owned()),
        url: Some("https://bsky.app/p".to_owned()),
    });
    target.comment =
        Some(Receipt { uri: Some("at://c".to_owned()), cid: Some("bafyc".to_owned()), url: None });
    target.warnings =
        vec![Warning { code: "request.unknown_field".to_owned(), message: "m".to_owned() }];
    target.published_at = Some(NOON.plus(Millis(1_200)));
    target.lateness = scheduled.then_some(Millis(7));
    batch
}

const ERROR: &str = concat!(
    r#"{"code":"platform_rejected","message":"refused","rule":"bluesky.rejected","#,
    r#""platformResponse":{"status":422},"remediation":"change it","#,
    r#""docUrl":"http://h/errors/platform_rejected","#,
    r#""ruleUrl":"http://h/preflight/bluesky-rejected","requestId":"req-1","#,
    r#""retryable":false,"outcome":"rejected"}"#,
);

#[test]
fn a_settled_batch_says_what_became_of_each_target() {
    let reply = batch_reply(&published(false), &links());
    let expected = r#"{"id":"batch_00000000000000000000000001","status":"partial_failed","#
        .to_owned()
        + r#""createdAt":"2026-05-16T12:00:00.000Z","results":[{"accountId":""#
        + ID
        + r#"","platform":"bluesky","postId":""#
        + POST
        + r#"","status":"published","uri":"at://did:plc:abc/app.bsky.feed.post/3kr","#
        + r#""cid":"bafy","url":"https://bsky.app/p","firstCommentUri":"at://c","#
        + r#""firstCommentCid":"bafyc","#
        + r#""warnings":[{"code":"request.unknown_field","message":"m"}]},"#
        + r#"{"accountId":"00000000-0000-0000-0000-000000000002","platform":"bluesky","#
        + r#""postId":"post_00000000000000000000000002","status":"rejected","error":"#
        + ERROR
        + "}]}";
    assert_eq!((reply.status, text(reply.body)), (200, expected));
}

#[test]
fn a_scheduled_batch_is_queued_with_its_time() {
    let queued = Cursor::Queued { due: NOON };
    let reply = batch_reply(&batch(vec![queued], Some(NOON)), &links());
    let expected = r#"{"id":"batch_00000000000000000000000001","status":"queued","#.to_owned()
        + r#""createdAt":"2026-05-16T12:00:00.000Z","scheduledAt":"2026-05-16T12:00:00.000Z","#
        + r#""results":[{"accountId":""#
        + ID
        + r#"","platform":"bluesky","postId":""#
        + POST
        + r#"","status":"queued"}]}"#;
    assert_eq!((reply.status, text(reply.body)), (202, expected));
}

#[test]
fn the_batch_status_sums_up_its_targets() {
    let queued = || Cursor::Queued { due: NOON };
    let rows = [
        (vec![LIVE, LIVE], 200, "published", "published published"),
        (vec![LIVE, held()], 200, "partial_failed", "published failed"),
        (vec![LIVE, GONE], 200, "partial_failed", "published canceled"),
        (vec![rejected(), held()], 200, "failed", "rejected failed"),
        (vec![GONE, GONE], 200, "failed", "canceled canceled"),
        (vec![LIVE, running()], 202, "queued", "published publishing"),
        (vec![LIVE, waiting()], 202, "queued", "published publishing"),
        (vec![queued(), GONE], 202, "queued", "queued canceled"),
    ];
    for (cursors, status, word, results) in rows {
        let batch = batch(cursors, None);
        let reply = batch_reply(&batch, &links());
        let value: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        let list = value["results"].as_array().expect("a list");
        let got: Vec<&str> = list.iter().filter_map(|one| one["status"].as_str()).collect();
        assert_eq!((reply.status, &value["status"]), (status, &word.into()), "{results}");
        assert_eq!(got.join(" "), results);
        assert_eq!(batch_body(&batch, &links()), reply.body, "a read says the same");
        assert!(!text(reply.body).contains("null"), "absent members are left out");
    }
    let one = |cursor| batch(vec![cursor], None).targets[0].clone();
    let scheduled = |cursor| batch(vec![cursor], Some(NOON)).targets[0].clone();
    assert_eq!(post_status(&scheduled(waiting())), "validated");
    assert_eq!(post_status(&one(waiting())), "publishing");
    assert_eq!(post_status(&scheduled(Cursor::Doubtful { step: STEP, until: NOON })), "publishing");
}

const REFS: &str = concat!(
    r#"[{"kind":"image","altText":"a chart","url":"https://e.org/a"},{"kind":"image","#,
    r#""bytesBase64":"<omitted>"},{"kind":"image","altText":"","#,
    r#""mediaId":"med_0123456789abcdefABCDEF"}]"#,
);

#[test]
fn a_post_has_every_member_of_the_contract_in_order() {
    let body = post_body(&published(true), TargetIx(0), Some(&account()), Some(&[]), &links());
    let expected = r#"{"id":""#.to_owned()
        + POST
        + r#"","profileId":"00000000-0000-0000-0000-000000000009","accountId":""#
        + ID
        + r#"","account":{"id":""#
        + ID
        + r#"","platform":"bluesky","platformAccountId":"did:plc:abc","displayName":null},"#
        + r#""platform":"bluesky","status":"published","text":"shipped","mediaRefs":"#
        + REFS
        + r#","scheduledAt":"2026-05-16T12:00:00.000Z","publishedAt":"2026-05-16T12:00:01.200Z","#
        + r#""platformUri":"at://did:plc:abc/app.bsky.feed.post/3kr","platformCid":"bafy","#
        + r#""error":null,"sandbox":false,"createdAt":"2026-05-16T12:00:00.000Z","#
        + r#""updatedAt":"2026-05-16T12:00:00.000Z","batchId":"batch_00000000000000000000000001","#
        + r#""url":"https://bsky.app/p","firstCommentUri":"at://c","latenessMs":7,"#
        + r#""warnings":[{"code":"request.unknown_field","message":"m"}],"attempts":[]}"#;
    assert_eq!(text(body), expected);
    let body = text(post_body(&published(false), TargetIx(1), None, None, &links()));
    assert!(body.contains(r#""accountId":null,"account":null,"platform":"bluesky""#), "{body}");
    assert!(body.contains(&format!(r#""error":{ERROR},"sandbox""#)), "{body}");
    assert!(!body.contains("attempts"), "{body}");
}

#[test]
fn accounts_cancels_and_pages() {
    let one = r#"{"id":"00000000-0000-0000-0000-000000000001","#.to_owned()
        + r#""profileId":"00000000-0000-0000-0000-000000000009","platform":"bluesky","#
        + r#""platformAccountId":"did:plc:abc","displayName":null,"tokenExpiresAt":null,"#
        + r#""createdAt":"2026-05-16T12:00:00.000Z","updatedAt":"2026-05-16T12:00:00.000Z"}"#;
    assert_eq!(text(account_body(&account())), one);
    assert_eq!(text(accounts_body(&[account()])), format!(r#"{{"data":[{one}]}}"#));
    let post = PostId::from_raw(1);
    assert_eq!(text(cancel_body(post)), format!(r#"{{"id":"{POST}","status":"canceled"}}"#));
    assert_eq!(text(PostPage::new(50).finish(None)), r#"{"data":[],"nextCursor":null}"#);
    let last = PostId::from_raw(u128::MAX / 3);
    let mut page = PostPage::new(1);
    let batch = published(false);
    for ix in [TargetIx(9), TargetIx(0), TargetIx(9), TargetIx(0)] {
        page.push(&batch, ix, &AccountWords::of(None), &links());
    }
    assert_eq!(page.posts(), 2, "there is no target 9");
    let one = text(post_body(&batch, TargetIx(0), None, None, &links()));
    let page = page.finish(Some(last));
    let whole = format!(r#"{{"data":[{one},{one}],"nextCursor":"{}"}}"#, cursor_of(last));
    assert_eq!(text(page.clone()), whole);
    let page: serde_json::Value = serde_json::from_slice(&page).expect("JSON");
    assert_eq!(page["data"][0]["id"], POST);
    let cursor = page["nextCursor"].as_str().expect("a cursor");
    assert_eq!(parse_list(&format!("cursor={cursor}")).expect("sound").cursor, Some(last));
    assert_eq!(cursor, cursor_of(last));
}

#[test]
fn a_list_query_holds_against_what_is_stored() {
    let batch = published(false);
    let rows = [
        ("", true, true),
        ("q=SHIP", true, true),
        ("q=sh%25", false, false),
        ("status=published", true, false),
        ("status=published,rejected", true, true),
        ("errorCode=platform_rejected", false, true),
        ("platform=twitter", false, false),
        ("profileId=00000000-0000-0000-0000-000000000009", true, true),
        ("profileId=00000000-0000-0000-0000-000000000008", false, false),
        ("profileId=x", false, false),
        ("after=2026-05-16T12:00:00Z", true, true),
        ("after=2026-05-16T12:00:00.001Z", false, false),
        ("before=2026-05-16T12:00:00Z", false, false),
        ("before=2026-05-16T12:00:00.001Z&status=rejected", false, true),
    ];
    for (query, first, second) in rows {
        let read = parse_list(query).expect(query);
        let got = [0, 1].map(|ix: usize| read.matches(&batch, &batch.targets[ix]));
        assert_eq!(got, [first, second], "{query}");
    }
}

fn entry(n: u32, event: Event) -> JournalEntry {
    let at = NOON.plus(Millis(u64::from(n) * 1_000));
    let stamp = Stamp { seq: u64::from(n), at, entropy: 0, epoch: 1 };
    JournalEntry { batch: crate::model::BatchId::from_raw(1), n, stamp, event }
}

#[test]
fn attempts_pair_their_beginning_with_whatever_ended_them() {
    let ix = TargetIx(0);
    let answered = |verdict: Verdict, answer: &str| Event::Answered {
        ix,
        number: 1,
        epoch: 1,
        verdict,
        exchange: Some(Exchange {
            request: "POST https://h/x".to_owned(),
            status: Some(200),
            answer: answer.to_owned(),
            duration: Millis(5),
        }),
    };
    let fault = || Fault::new(Code::PlatformUnavailable, "no answer");
    let events = vec![
        Event::Begun { ix },
        answered(Verdict::Retry { fault: fault(), after: None }, "not JSON"),
        Event::Woke { ix },
        Event::Begun { ix },
        Event::Begun { ix: TargetIx(1) },
        Event::Recovered { ix },
        Event::Begun { ix },
        Event::Woke { ix },
        Event::Begun { ix },
        answered(Verdict::Unknown { fault: fault() }, "{}"),
        Event::Begun { ix },
        answered(Verdict::Absent, "{}"),
        Event::Begun { ix },
        answered(Verdict::Done(Output::default()), r#"{"uri":"at://x"}"#),
        Event::Begun { ix },
    ];
    let entries: Vec<JournalEntry> = (0..).zip(events).map(|(n, event)| entry(n, event)).collect();
    let views = attempts(&entries, ix, PostId::from_raw(1));
    let value = serde_json::to_value(&views).expect("JSON");
    let list = value.as_array().expect("a list");
    let told: Vec<String> = list
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {}",
                one["attemptNumber"],
                one["finishedAt"].is_string(),
                one["succeeded"],
                one["errorCode"].as_str().unwrap_or("-")
            )
        })
        .collect();
    let expected = [
        "1 true false platform_unavailable",
        "2 true null platform_unavailable",
        "3 true null platform_unavailable",
        "4 true null platform_unavailable",
        "5 true false -",
        "6 true true -",
        "7 false null -",
    ];
    assert_eq!(told, expected);
    assert_eq!(list[0]["finishedAt"], "2026-05-16T12:00:01.000Z", "the retry's timer ends nothing");
    assert_eq!(list[0]["platformResponse"], "not JSON");
    assert_eq!(list[5]["platformResponse"]["uri"], "at://x");
    assert_eq!(list[5]["request"], "POST https://h/x");
    let ids: std::collections::BTreeSet<&str> =
        list.iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids.len(), 7);
    let again = serde_json::to_value(attempts(&entries, ix, PostId::from_raw(1))).expect("JSON");
    assert_eq!(again, value, "ids are stable");
}
