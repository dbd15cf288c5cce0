//! What each answer means for each step, and what stands under a key.

use super::*;

const GOOD: &str = r#"{"uri":"at://did:plc:me/app.bsky.feed.post/3k","cid":"c"}"#;

/// A target that has every step: media, a mention, a parent and a comment.
fn whole() -> Bench {
    let mut bench = Bench::text("hi @a.test");
    bench.content.options =
        Some(r#"{"replyToUri":"at://did:plc:you/app.bsky.feed.post/3k","replyToCid":"c1"}"#.into());
    bench.content.first_comment = Some(FirstComment { text: "more".into() });
    bench.receipt = Some(Receipt { uri: Some("at://u".into()), cid: Some("c".into()), url: None });
    bench
}

fn error(name: &str) -> String {
    format!(r#"{{"error":"{name}","message":"m"}}"#)
}

/// The verdict's name; and whatever fault it bears can be acted on.
fn name(verdict: &Verdict) -> String {
    let fault = match verdict {
        Verdict::Retry { fault, .. }
        | Verdict::Parked { fault, .. }
        | Verdict::Refuse { fault }
        | Verdict::Reauth { fault }
        | Verdict::Unknown { fault }
        | Verdict::Restage { fault } => Some(fault),
        Verdict::Done(_) | Verdict::Again { .. } | Verdict::Absent => None,
    };
    if let Some(fault) = fault {
        assert!(
            fault.rule.as_deref().is_some_and(|rule| rule.starts_with("bluesky.")),
            "{fault:?}"
        );
        assert!(fault.remediation.is_some() && fault.outcome.is_some(), "{fault:?}");
        assert_eq!(fault.platform, Some(model::Platform::Bluesky));
        let response = fault.platform_response.as_deref().expect("the answer, or that it is none");
        assert!(serde_json::from_str::<Value>(response).is_ok(), "{response}");
    }
    let text = format!("{verdict:?}");
    text.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

#[test]
fn every_step_reads_every_kind_of_answer() {
    let bench = whole();
    let reply = r#"{"uri":"u","cid":"c1","value":{}}"#;
    let blob = r#"{"blob":{"$type":"blob"}}"#;
    // Per step: what a good answer is; then what junk, a 5xx and silence mean.
    for (step, good, lost) in [
        ("resolve_mentions", r#"{"did":"did:plc:a"}"#, "Retry"),
        ("reply_parent", reply, "Retry"),
        ("upload", blob, "Retry"),
        ("publish", GOOD, "Unknown"),
        ("first_comment", GOOD, "Unknown"),
    ] {
        let check = |answer: Answer, expected: &str| {
            assert_eq!(name(&bench.verdict(step, &answer)), expected, "{step} {answer:?}");
        };
        check(heard(200, good), "Done");
        check(heard(200, "<html>"), lost);
        check(heard(200, "{}"), lost);
        check(heard(408, &error("Timeout")), lost);
        check(heard(500, &error("InternalServerError")), lost);
        check(heard(502, "bad gateway"), lost);
        check(heard(503, ""), lost);
        check(Answer::MaybeSent { why: "reset".into() }, lost);
        check(Answer::NotSent { why: "dns".into() }, "Retry");
        check(heard(400, &error("ExpiredToken")), "Reauth");
        check(heard(400, &error("InvalidToken")), "Reauth");
        check(heard(401, &error("AuthMissing")), "Reauth");
        check(heard(401, ""), "Reauth");
        check(heard(403, &error("AccountTakedown")), "Refuse");
        check(heard(403, &error("Forbidden")), "Refuse");
        check(heard(429, &error("RateLimitExceeded")), "Parked");
        check(heard(429, ""), "Parked");
    }
}

#[test]
fn refusals_count_where_they_are_certain() {
    let bench = whole();
    let check = |step: &str, answer: Answer, expected: &str, rule: &str| {
        let verdict = bench.verdict(step, &answer);
        assert_eq!(name(&verdict), expected, "{step} {answer:?}");
        assert!(format!("{verdict:?}").contains(&format!("{rule:?}")), "{verdict:?}");
    };
    check("publish", heard(400, &error("InvalidRequest")), "Refuse", "bluesky.rejected");
    check("publish", heard(400, &error("BlobNotFound")), "Restage", "bluesky.media.blob_missing");
    let down = "bluesky.account.taken_down";
    check("publish", heard(401, &error("AccountTakedown")), "Refuse", down);
    check("publish", heard(400, &error("AccountDeactivated")), "Refuse", down);
    // A proxy's page in answer to a visible call proves nothing; to an upload it is a refusal.
    let unknown = "bluesky.publish.outcome_unknown";
    check("publish", heard(400, "<html>proxy</html>"), "Unknown", unknown);
    check("publish", heard(413, "<html>too large</html>"), "Unknown", unknown);
    // Nor does an error's name where the status says something else.
    for name in ["AccountTakedown", "BlobNotFound", "ExpiredToken", "InvalidRequest"] {
        for status in [200, 500, 503] {
            check("publish", heard(status, &error(name)), "Unknown", unknown);
            check("first_comment", heard(status, &error(name)), "Unknown", unknown);
        }
    }
    check("upload", heard(413, "<html>too large</html>"), "Refuse", "bluesky.rejected");
    check("upload", heard(400, &error("InvalidMimeType")), "Refuse", "bluesky.rejected");
}

#[test]
fn a_rate_limit_rests_until_its_reset() {
    match Bench::text("x").verdict("publish", &heard(429, "{}")) {
        Verdict::Parked { after, .. } => assert_eq!(after.0, 90_000, "until RateLimit-Reset"),
        other => panic!("{other:?}"),
    }
}

/// What stands under our key: our record, but for one member.
fn standing(bench: &Bench, member: Option<(&str, Value)>) -> Answer {
    let sender = Bench { errand: Errand::Send, memos: BTreeMap::new(), ..Bench::text("mine") };
    assert_eq!(sender.content, bench.content);
    let mut record = sender.body("publish")["record"].clone();
    if let Some((name, value)) = member {
        record[name] = value;
    }
    let uri = "at://did:plc:me/app.bsky.feed.post/3kx";
    heard(200, &json!({ "uri": uri, "cid": "c", "value": record }).to_string())
}

#[test]
fn another_record_under_the_key_is_looked_at() {
    let mut bench = Bench::text("mine");
    let swap = heard(400, r#"{"error":"InvalidSwap","message":"Record was at bafy"}"#);
    let Verdict::Again { memo: Some(memo), .. } = bench.verdict("publish", &swap) else {
        panic!("again")
    };
    bench.memos.insert("publish", vec![memo]);
    assert!(bench.request("publish").url.contains("getRecord"));
    let Verdict::Done(output) = bench.verdict("publish", &standing(&bench, None)) else {
        panic!("done")
    };
    let receipt = output.receipt.expect("an address");
    assert_eq!(receipt.url.as_deref(), Some("https://bsky.app/profile/did:plc:me/post/3kx"));
    for (member, value) in [
        ("text", json!("not mine")),
        ("reply", json!({ "root": {} })),
        ("embed", json!({ "$type": "x" })),
    ] {
        let other = standing(&bench, Some((member, value)));
        let Verdict::Refuse { fault } = bench.verdict("publish", &other) else {
            panic!("{member}")
        };
        assert_eq!(fault.rule.as_deref(), Some("bluesky.publish.rkey_conflict"));
        assert_eq!(fault.code, Code::PlatformRejected, "the host said no, no rule of content did");
        assert_eq!(fault.outcome, Some(SendOutcome::Rejected));
    }
    let check = |answer: Answer, expected: &str| {
        assert_eq!(name(&bench.verdict("publish", &answer)), expected, "{answer:?}");
    };
    let begun_before = ("createdAt", json!("2020-01-01T00:00:00.000Z"));
    check(standing(&bench, Some(begun_before)), "Done");
    check(heard(400, &error("RecordNotFound")), "Refuse");
    check(heard(200, "<html>"), "Unknown");
    check(heard(200, GOOD), "Unknown");
    check(heard(503, ""), "Unknown");
    check(heard(400, &error("ExpiredToken")), "Reauth");
}

#[test]
fn a_read_back_asks_and_never_writes() {
    let mut bench = Bench::text("mine");
    bench.errand = Errand::Probe;
    let request = bench.request("publish");
    assert_eq!((request.method, &request.body), ("GET", &Body::Empty));
    let Verdict::Done(output) = bench.verdict("publish", &standing(&bench, None)) else {
        panic!("found")
    };
    assert_eq!(output.warnings[0].code, "reconciled");
    let other = standing(&bench, Some(("text", json!("not mine"))));
    let check = |answer: Answer, expected: &str| {
        assert_eq!(name(&bench.verdict("publish", &answer)), expected, "{answer:?}");
    };
    check(other, "Refuse");
    check(heard(400, &error("RecordNotFound")), "Absent");
    // Only the host's own word counts as absence.
    check(heard(404, "<html>not found</html>"), "Refuse");
    check(heard(400, &error("InvalidRequest")), "Refuse");
    check(heard(200, "<html>"), "Retry");
    check(heard(503, ""), "Retry");
    check(Answer::MaybeSent { why: "reset".into() }, "Retry");
    check(heard(429, ""), "Parked");
}
