//! Bluesky's requests, byte by byte, and its answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::model::{
    AccountId, Digest, Errand, FirstComment, MediaSource, PostId, Receipt, Secret, Timestamp,
};
use crate::platforms::{Access, ClockTrust, facts_to_memo};

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

mod answers;
mod identity;
mod requests;

struct Bench {
    errand: Errand,
    content: Content,
    access: Access,
    receipt: Option<Receipt>,
    memos: BTreeMap<&'static str, Vec<Arc<str>>>,
    media: Vec<MediaFacts>,
}

impl Bench {
    fn new(content: Content) -> Self {
        Self {
            errand: Errand::Send,
            content,
            access: Access {
                base_url: "https://pds.test".into(),
                platform_account_id: "did:plc:me".into(),
                token: Secret::new("t"),
            },
            receipt: None,
            memos: BTreeMap::new(),
            media: Vec::new(),
        }
    }

    fn text(text: &str) -> Self {
        Self::new(Content { text: text.into(), ..Content::default() })
    }

    fn cx<'a>(&'a self, step: &'a str) -> Context<'a> {
        Context {
            step,
            round: 0,
            errand: self.errand,
            step_attempt: 1,
            post: PostId::from_raw(0x0190_0000_0000_0000_1234_5678_9abc_def0),
            account: AccountId::from_raw(1),
            content: &self.content,
            started_at: AT,
            doubt_since: None,
            began_at: AT,
            clock_ahead: None,
            clock: ClockTrust::Steady,
            memos: self.memos.iter().map(|(name, rounds)| (*name, rounds.clone())).collect(),
            receipt: self.receipt.as_ref(),
            media: self.media.clone(),
            access: &self.access,
            owned: &[],
        }
    }

    fn request(&self, step: &str) -> Request {
        let cx = self.cx(step);
        let prepared = Bluesky.prepare(&cx).expect("it can be said");
        assert_eq!(prepared, Bluesky.prepare(&cx).expect("again"), "the same bytes");
        match prepared {
            Prepared::Request(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn body(&self, step: &str) -> Value {
        match self.request(step).body {
            Body::Bytes(bytes) => serde_json::from_slice(&bytes).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    fn verdict(&self, step: &str, answer: &Answer) -> Verdict {
        Bluesky.interpret(&self.cx(step), answer)
    }
}

fn heard(status: u16, body: &str) -> Answer {
    let headers = vec![("ratelimit-reset".to_owned(), "1800000090".to_owned())];
    Answer::Heard { status, headers, body: body.as_bytes().to_vec(), at: AT }
}

#[test]
fn a_post_is_put_under_its_frozen_key_and_must_not_exist() {
    let bench = Bench::text("shipped #rust");
    let request = bench.request("publish");
    assert_eq!(request.url, "https://pds.test/xrpc/com.atproto.repo.putRecord");
    let Body::Bytes(bytes) = &request.body else { panic!("a body") };
    assert!(String::from_utf8_lossy(bytes).contains(r#""swapRecord":null"#));
    let body = bench.body("publish");
    assert_eq!(body["repo"], "did:plc:me");
    assert_eq!(body["rkey"].as_str().map(str::len), Some(13));
    assert_eq!(body["record"]["createdAt"], "2027-01-15T08:00:00.000Z");
    assert_eq!(body["record"]["facets"][0]["features"][0]["tag"], "rust");
    assert!(body["record"].get("embed").is_none());
}

#[test]
fn images_carry_alt_text_and_shape() {
    let item = MediaItem {
        kind: MediaKind::Image,
        alt_text: Some("a chart".into()),
        source: MediaSource::Inline(Digest([1; 32])),
    };
    let mut bench = Bench::text("look");
    bench.content.media = vec![item];
    bench.media = vec![MediaFacts {
        digest: Digest([1; 32]),
        bytes: 9,
        mime: "image/png".into(),
        dimensions: Some((4, 3)),
    }];
    let upload = bench.request("upload");
    assert_eq!(upload.body, Body::Media(Digest([1; 32])));
    assert_eq!(upload.headers[0], ("content-type", "image/png".to_owned()));
    assert!(Bluesky.prepare(&bench.cx("publish")).is_err(), "no upload, no record");
    let blob = r#"{"blob":{"$type":"blob","ref":{"$link":"b"},"mimeType":"image/png","size":9}}"#;
    let Verdict::Done(output) = bench.verdict("upload", &heard(200, blob)) else { panic!("done") };
    bench.memos.insert("upload", vec![output.memo.expect("the blob")]);
    let image = &bench.body("publish")["record"]["embed"]["images"][0];
    assert_eq!(image["alt"], "a chart");
    assert_eq!(image["image"]["ref"]["$link"], "b");
    assert_eq!(image["aspectRatio"], json!({ "width": 4, "height": 3 }));
}

#[test]
fn mentions_are_resolved_one_by_one_and_the_unknown_stay_plain() {
    let mut bench = Bench::text("hi @a.test and @b.test");
    let first = bench.request("resolve_mentions");
    assert!(first.url.ends_with("resolveHandle?handle=a.test"), "{}", first.url);
    let answer = heard(200, r#"{"did":"did:plc:a"}"#);
    let Verdict::Again { memo: Some(memo), .. } = bench.verdict("resolve_mentions", &answer) else {
        panic!("again")
    };
    bench.memos.insert("resolve_mentions", vec![memo]);
    assert!(bench.request("resolve_mentions").url.ends_with("handle=b.test"));
    let nobody = heard(400, r#"{"error":"InvalidRequest","message":"Unable to resolve handle"}"#);
    let junk = bench.verdict("resolve_mentions", &heard(200, "<html>"));
    assert!(matches!(junk, Verdict::Retry { .. }), "junk is no word on the handle");
    let Verdict::Done(output) = bench.verdict("resolve_mentions", &nobody) else { panic!("done") };
    bench.memos.insert("resolve_mentions", vec![output.memo.expect("what is known")]);
    let record = &bench.body("publish")["record"];
    assert_eq!(record["facets"].as_array().map(Vec::len), Some(1));
    assert_eq!(record["facets"][0]["features"][0]["did"], "did:plc:a");
    let none = Bench::text("an @ alone");
    assert!(matches!(Bluesky.prepare(&none.cx("resolve_mentions")), Ok(Prepared::Nothing(_))));
}

#[test]
fn a_reply_finds_the_root_of_its_thread() {
    let options = r#"{"replyToUri":"at://did:plc:you/app.bsky.feed.post/3k","replyToCid":"c1"}"#;
    let mut bench = Bench::text("yes");
    bench.content.options = Some(options.into());
    let url = bench.request("reply_parent").url;
    assert!(url.contains("getRecord?repo=did%3Aplc%3Ayou&collection=app.bsky.feed.post&rkey=3k"));
    let root = json!({ "uri": "at://did:plc:you/app.bsky.feed.post/3a", "cid": "c0" });
    let found = json!({ "uri": "x", "cid": "c1", "value": { "reply": { "root": root } } });
    let Verdict::Done(output) = bench.verdict("reply_parent", &heard(200, &found.to_string()))
    else {
        panic!("done")
    };
    bench.memos.insert("reply_parent", vec![output.memo.expect("the reply")]);
    let reply = &bench.body("publish")["record"]["reply"];
    assert_eq!(reply["root"], root);
    assert_eq!(reply["parent"]["cid"], "c1");
    let changed = heard(200, r#"{"cid":"c2","value":{}}"#);
    assert!(matches!(bench.verdict("reply_parent", &changed), Verdict::Refuse { .. }));
    let gone = heard(400, r#"{"error":"RecordNotFound","message":"Could not locate record"}"#);
    let Verdict::Refuse { fault } = bench.verdict("reply_parent", &gone) else { panic!("refused") };
    assert_eq!(fault.rule.as_deref(), Some("bluesky.reply.parent_unknown"));
    let elsewhere = heard(400, r#"{"error":"InvalidRequest","message":"Could not find repo"}"#);
    let verdict = bench.verdict("reply_parent", &elsewhere);
    assert!(matches!(verdict, Verdict::Done(_)), "another host's record is taken on trust");
}

#[test]
fn a_comment_hangs_under_the_post_with_a_key_of_its_own() {
    let mut bench = Bench::text("post");
    bench.content.first_comment = Some(FirstComment { text: "comment".into() });
    assert!(Bluesky.prepare(&bench.cx("first_comment")).is_err(), "there is no post yet");
    bench.receipt = Some(Receipt { uri: Some("at://u".into()), cid: Some("c".into()), url: None });
    let (post, comment) = (bench.body("publish"), bench.body("first_comment"));
    assert_ne!(post["rkey"], comment["rkey"]);
    assert_eq!(comment["record"]["reply"]["root"], json!({ "uri": "at://u", "cid": "c" }));
}

#[test]
fn bytes_are_inspected() {
    let item =
        |kind| MediaItem { kind, alt_text: None, source: MediaSource::Inline(Digest([1; 32])) };
    let facts = |mime: &str, bytes| MediaFacts {
        digest: Digest([1; 32]),
        bytes,
        mime: mime.into(),
        dimensions: None,
    };
    let check = |kind, mime: &str, bytes, rule: Option<&str>| {
        let got = Bluesky.inspect(&item(kind), &facts(mime, bytes)).err();
        assert_eq!(got.and_then(|fault| fault.rule).as_deref(), rule, "{mime} {bytes}");
    };
    check(MediaKind::Image, "image/png", 2_000_000, None);
    check(MediaKind::Image, "image/png", 2_000_001, Some("bluesky.media.image_size_max"));
    check(MediaKind::Image, "application/pdf", 5, Some("bluesky.media.mime_allowed"));
    check(MediaKind::Video, "video/quicktime", 5, Some("bluesky.media.mime_allowed"));
    check(MediaKind::Video, "video/mp4", 300_000_001, Some("bluesky.media.video_size_max"));
    let kept = facts("image/png", 7);
    assert_eq!(crate::platforms::facts_from_memo(&facts_to_memo(&kept)), Some(kept));
}

#[test]
fn sessions_are_read_without_showing_them() {
    use session::{SessionFault, read_session};
    // {"exp":1800007200}
    let jwt = "e30.eyJleHAiOjE4MDAwMDcyMDB9.s";
    let body = json!({
        "did": "did:plc:me", "handle": "me.test", "accessJwt": jwt, "refreshJwt": "r",
    });
    let session = read_session(&heard(200, &body.to_string())).expect("a session");
    assert_eq!(session.access_expires_at, Some(Timestamp::from_millis(1_800_007_200_000)));
    assert!(!format!("{session:?}").contains(jwt));
    let expired = read_session(&heard(400, r#"{"error":"ExpiredToken"}"#));
    assert!(matches!(expired, Err(SessionFault::Expired(_))));
    let refused = read_session(&heard(401, r#"{"error":"AuthenticationRequired"}"#));
    let Err(SessionFault::Refused(fault)) = refused else { panic!("refused") };
    assert!(fault.remediation.is_some_and(|remedy| remedy.contains("app password")));
    let rule = |answer: &Answer| {
        let Err(SessionFault::Unavailable(fault)) = read_session(answer) else { panic!("later") };
        fault.rule.expect("a rule")
    };
    assert_eq!(rule(&heard(503, "")), "bluesky.unavailable");
    assert_eq!(rule(&Answer::MaybeSent { why: "cut".to_owned() }), "bluesky.unavailable");
    assert_eq!(rule(&Answer::NotSent { why: "no route".to_owned() }), "bluesky.unreachable");
    let page = read_session(&heard(200, "<html>"));
    let Err(SessionFault::Rejected(page)) = page else { panic!("it is no session") };
    assert_eq!(page.rule.as_deref(), Some("bluesky.auth"));
    // Of a host that gave sessions before, that is no reason to doubt the password.
    let later = session::unclear(page);
    assert_eq!(later.rule.as_deref(), Some("bluesky.unavailable"));
    assert!(later.retryable && later.code == Code::PlatformUnavailable);
}
