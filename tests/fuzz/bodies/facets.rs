//! Rich text of Bluesky: any text, published with every mention found.
//!
//! An input is the text.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare::model::{AccountId, Content, Errand, PostId, Secret, Timestamp, Verdict};
use fanfare::platforms::bluesky::Bluesky;
use fanfare::platforms::{Access, Answer, Body, ClockTrust, Context, Platform, Prepared};
use serde_json::{Value, json};

/// Bytes of a text: ten times what a post may have, and not so many that looking up each of its
/// mentions takes for ever.
const TEXT_BYTES_MAX: usize = 3_000;
const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MENTIONS: &str = "resolve_mentions";

/// See `ALL`.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(&input[..input.len().min(TEXT_BYTES_MAX)]).into_owned();
    let content = Content { text, ..Content::default() };
    let memo = resolved(&content);
    let body = with(&content, "publish", Some(memo), |cx| Bluesky.prepare(cx));
    let Ok(Prepared::Request(request)) = body else { panic!("nothing is to be said: {body:?}") };
    let Body::Bytes(bytes) = request.body else { panic!("a record is JSON") };
    let value: Value = serde_json::from_slice(&bytes).expect("a record is JSON");
    let record = &value["record"];
    let said = record["text"].as_str().expect("a record has a text");
    assert_eq!(said, content.text, "the text was changed");
    check(said, record["facets"].as_array().map_or(&[][..], Vec::as_slice));
}

/// The answers to the question of who each mention is: everybody is somebody.
fn resolved(content: &Content) -> Arc<str> {
    let answer = Answer::Heard {
        status: 200,
        headers: Vec::new(),
        body: json!({ "did": "did:plc:somebody" }).to_string().into_bytes(),
        at: AT,
    };
    let mut memo: Option<Arc<str>> = None;
    for _ in 0..TEXT_BYTES_MAX {
        match with(content, MENTIONS, memo.clone(), |cx| Bluesky.interpret(cx, &answer)) {
            Verdict::Again { memo: Some(more), .. } => {
                assert_ne!(memo.as_ref(), Some(&more), "the same is asked for ever");
                memo = Some(more);
            }
            Verdict::Done(output) => return output.memo.expect("it keeps what it found"),
            other => panic!("{other:?}"),
        }
    }
    panic!("more mentions than bytes")
}

fn with<T>(
    content: &Content,
    step: &str,
    memo: Option<Arc<str>>,
    ask: impl FnOnce(&Context<'_>) -> T,
) -> T {
    let access = Access {
        base_url: "http://h".to_owned(),
        platform_account_id: "did:plc:a".to_owned(),
        token: Secret::new("token"),
    };
    let memos: BTreeMap<&str, Vec<Arc<str>>> =
        memo.into_iter().map(|memo| (MENTIONS, vec![memo])).collect();
    ask(&Context {
        step,
        round: 0,
        errand: Errand::Send,
        step_attempt: 1,
        post: PostId::from_raw(7),
        account: AccountId::from_raw(8),
        content,
        started_at: AT,
        doubt_since: None,
        began_at: AT,
        clock_ahead: None,
        clock: ClockTrust::Steady,
        memos,
        receipt: None,
        media: Vec::new(),
        access: &access,
        owned: &[],
    })
}

/// Facets are in order, apart from each other, at the edges of characters, and mark what they say.
fn check(text: &str, facets: &[Value]) {
    let mut last = 0;
    for facet in facets {
        let place = |name: &str| {
            let place = facet["index"][name].as_u64().and_then(|at| usize::try_from(at).ok());
            place.unwrap_or_else(|| panic!("no {name}: {facet}"))
        };
        let (start, end) = (place("byteStart"), place("byteEnd"));
        assert!(last <= start && start < end, "after {last}: {facet} in {text:?}");
        last = end;
        let marked = text.get(start..end);
        let marked = marked.unwrap_or_else(|| panic!("cuts a character: {facet} in {text:?}"));
        let feature = &facet["features"][0];
        let fits = match feature["$type"].as_str().and_then(|kind| kind.split('#').nth(1)) {
            Some("link") => feature["uri"] == marked,
            Some("mention") => marked.starts_with('@') && feature["did"] == "did:plc:somebody",
            Some("tag") => {
                let tag = feature["tag"].as_str().expect("a tag has a text");
                marked.strip_prefix(['#', '＃']) == Some(tag)
            }
            _ => false,
        };
        assert!(fits, "{facet} marks {marked:?}");
        assert!(!marked.contains(char::is_whitespace), "{marked:?} holds a space");
    }
}
