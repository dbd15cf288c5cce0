//! Every malformed body by its rule, and every body that real clients send by its meaning.

use serde_json::{Value, json};

use crate::model::{Fault, Platform, SendOutcome};
use crate::wire::{CreateRequest, RequestSource, parse_create, parse_list, parse_patch};

const ID: &str = "0196f0aa-0000-7000-8000-000000000001";

fn rule(body: &str) -> String {
    let fault = parse_create(body.as_bytes()).expect_err(body);
    complete(&fault, body);
    assert_eq!(fault.outcome, Some(SendOutcome::NotSent), "{body}");
    fault.rule.expect("a rule")
}

/// A fault says what to do; if it lists issues, the first of them is the one it names.
fn complete(fault: &Fault, body: &str) {
    assert_eq!((fault.code.as_str(), fault.http_status()), ("validation_failed", 400), "{body}");
    assert!(fault.remediation.is_some(), "the remedy of {body}");
    let Some(listed) = &fault.platform_response else { return };
    let listed: Value = serde_json::from_str(listed).expect("JSON");
    let first = &listed[0];
    assert_eq!(first["rule"].as_str(), fault.rule.as_deref(), "{body}");
    assert_eq!(first["message"], json!(fault.message), "{body}");
    assert!(first["code"].is_string() && first["path"].is_array(), "{first}");
}

#[track_caller]
fn check(body: &str, expected: &str) {
    assert_eq!(rule(body), expected, "{body}");
}

fn accepted(body: &str) -> CreateRequest {
    parse_create(body.as_bytes()).unwrap_or_else(|fault| panic!("{body}: {fault:?}"))
}

#[test]
fn what_is_no_request_at_all() {
    for body in ["", " \n", "{", "{\"targets\":[", "targets=1", "{} {}", "{'a':1}"] {
        check(body, "body.json");
    }
    let bad = parse_create(b"{\"text\":\"\xff\"}").expect_err("no UTF-8");
    assert_eq!(bad.rule.as_deref(), Some("body.json"));
    assert!(bad.message.contains("UTF-8"), "{}", bad.message);
    check(&format!("{}{}", "[".repeat(65), "]".repeat(65)), "body.depth");
    check(&format!("{}{}", "[".repeat(64), "]".repeat(64)), "body");
    check(&"[".repeat(100_000), "body.depth");
    check(&format!("[\"{}\"]", "[".repeat(1_000)), "body");
    for body in ["null", "[]", "\"x\"", "5"] {
        check(body, "body");
    }
}

/// Each row replaces one member of a sound request.
#[test]
fn each_malformed_member_of_the_top_level_has_its_rule() {
    check("{}", "targets");
    check(r#"{"account":{"id":"a"},"text":"x"}"#, "targets");
    let rows = [
        ("targets", json!(null), "targets"),
        ("targets", json!("x"), "targets"),
        ("targets", json!({}), "targets"),
        ("targets", json!([]), "targets.required"),
        ("targets", json!([{}]), "targets.0.accountId"),
        ("targets", json!([null]), "targets.0"),
        ("targets", json!([{ "platform": "bluesky" }, {}]), "targets.1.accountId"),
        ("targets", json!(vec![json!({ "platform": "bluesky" }); 26]), "targets.max"),
        ("text", json!(""), "text"),
        ("text", json!(null), "text"),
        ("text", json!(5), "text"),
        ("text", json!("x".repeat(262_145)), "text"),
        ("media", json!(null), "media"),
        ("media", json!({}), "media"),
        ("media", json!(vec![json!({ "kind": "image", "url": "http://e.org/a" }); 36]), "media"),
        ("firstComment", json!(null), "firstComment"),
        ("firstComment", json!("x"), "firstComment"),
        ("firstComment", json!({ "text": 5 }), "firstComment.text"),
        ("publishNow", json!("true"), "publishNow"),
        ("publishNow", json!(1), "publishNow"),
        ("publishNow", json!(null), "publishNow"),
        ("scheduledAt", json!(null), "scheduledAt"),
        ("scheduledAt", json!(5), "scheduledAt"),
        ("scheduledAt", json!(""), "scheduledAt"),
        ("scheduledAt", json!("2026-02-30T12:00:00Z"), "scheduledAt"),
        ("scheduledAt", json!("2026-05-08T12:00:00"), "scheduledAt"),
        ("profileId", json!(""), "profileId"),
        ("profileId", json!(null), "profileId"),
        ("profileId", json!("x"), "profileId"),
        ("options", json!({}), "options.platform"),
        ("options", json!([{ "platform": "tiktok", "privacy": "x" }]), "options.0.privacy"),
        ("options", json!(vec![json!({ "platform": "bluesky" }); 2]), "options.1.platform"),
        ("options", json!(vec![json!({}); 10]), "options"),
    ];
    for (name, value, expected) in rows {
        let mut body = json!({ "targets": [{ "accountId": ID }], "text": "x" });
        body[name] = value;
        check(&body.to_string(), expected);
    }
    let both = json!({ "targets": [{ "accountId": ID }], "publishNow": true,
        "scheduledAt": "2026-05-08T12:00:00Z" });
    check(&both.to_string(), "mode_conflict");
}

/// Each row is a target, or what replaces a member of one.
#[test]
fn each_malformed_member_of_a_target_has_its_rule() {
    let image = |members: Value| {
        let mut item = json!({ "kind": "image" });
        item.as_object_mut()
            .expect("an object")
            .extend(members.as_object().cloned().expect("an object"));
        json!([item])
    };
    let url = "https://e.org/a";
    let rows = [
        ("accountId", json!("x"), "accountId"),
        ("accountId", json!(null), "accountId"),
        ("platform", json!("x"), "platform"),
        ("platform", json!("Twitter"), "platform"),
        ("platform", json!(""), "platform"),
        ("platform", json!(null), "platform"),
        ("text", json!(""), "text"),
        ("text", json!(null), "text"),
        ("media", json!(null), "media"),
        ("media", image(json!({})), "media.0"),
        ("media", image(json!({ "url": url, "bytesBase64": "AAAA" })), "media.0"),
        ("media", json!([{ "url": url }]), "media.0"),
        ("media", json!([{ "kind": "gif", "url": url }]), "media.0"),
        ("media", image(json!({ "url": url, "altText": null })), "media.0"),
        ("media", image(json!({ "url": url, "altText": "a".repeat(32_769) })), "media.0.altText"),
        ("media", image(json!({ "mediaId": "" })), "media.0.mediaId"),
        ("media", image(json!({ "url": url, "mediaId": "" })), "media.0.mediaId"),
        ("media", image(json!({ "mediaId": "med_short" })), "media.0.mediaId"),
        ("media", image(json!({ "url": "nowhere" })), "media.0.url"),
        ("media", image(json!({ "url": "/a.jpg" })), "media.0.url"),
        ("media", image(json!({ "url": "ftp://e.org/a" })), "media.0.url"),
        ("media", image(json!({ "url": "javascript:alert(1)" })), "media.0.url"),
        ("media", image(json!({ "bytesBase64": "" })), "media.0.bytesBase64"),
        ("media", image(json!({ "bytesBase64": null })), "media.0.bytesBase64"),
        ("media", image(json!({ "bytesBase64": "%%%" })), "media.0.bytesBase64"),
        ("firstComment", json!(null), "firstComment"),
        ("options", json!(null), "options"),
        ("options", json!({}), "options.platform"),
        ("options", json!({ "platform": "myspace" }), "options.platform"),
    ];
    for (name, value, expected) in rows {
        let mut target = json!({ "accountId": ID });
        target[name] = value;
        let body = json!({ "targets": [target], "text": "x" });
        check(&body.to_string(), &format!("targets.0.{expected}"));
    }
}

#[test]
fn options_are_checked_by_platform() {
    let rows = [
        (json!({ "platform": "twitter", "replyToTweetId": "" }), "replyToTweetId"),
        (
            json!({ "platform": "twitter", "replyToTweetId": "1", "quoteTweetId": "2" }),
            "replyToTweetId",
        ),
        (json!({ "platform": "bluesky", "replyToUri": "at://a" }), "replyToCid"),
        (json!({ "platform": "bluesky", "replyToCid": "b" }), "replyToUri"),
        (
            json!({ "platform": "bluesky", "replyRootUri": "at://a", "replyRootCid": "b" }),
            "replyToUri",
        ),
        (
            json!({ "platform": "bluesky", "replyToUri": "at://a", "replyToCid": "b",
                "replyRootUri": "at://a" }),
            "replyRootCid",
        ),
        (
            json!({ "platform": "bluesky", "replyToUri": "at://a", "replyToCid": "b",
                "replyRootCid": "b" }),
            "replyRootUri",
        ),
        (json!({ "platform": "bluesky", "langs": "en" }), "langs"),
        (json!({ "platform": "bluesky", "langs": ["en", "german!"] }), "langs.1"),
        (json!({ "platform": "bluesky", "langs": ["e"] }), "langs.0"),
        (json!({ "platform": "bluesky", "tags": [""] }), "tags.0"),
        (json!({ "platform": "bluesky", "tags": vec!["a"; 101] }), "tags"),
        (json!({ "platform": "pinterest", "destinationUrl": "x" }), "destinationUrl"),
        (json!({ "platform": "pinterest", "coverImageUrl": 5 }), "coverImageUrl"),
        (json!({ "platform": "pinterest", "title": "" }), "title"),
        (json!({ "platform": "threads", "replyToId": "" }), "replyToId"),
        (json!({ "platform": "tiktok", "privacy": "friends" }), "privacy"),
        (json!({ "platform": "tiktok", "disableDuet": "true" }), "disableDuet"),
        (json!({ "platform": "sandbox", "class": "magic" }), "class"),
        (json!({ "platform": "sandbox", "latencyMs": 600_001 }), "latencyMs"),
        (json!({ "platform": "sandbox", "latencyMs": -1 }), "latencyMs"),
        (json!({ "platform": "sandbox", "faults": ["none", "boom"] }), "faults.1"),
        (json!({ "platform": "sandbox", "faults": vec!["none"; 17] }), "faults"),
    ];
    for (options, expected) in rows {
        let body = json!({ "targets": [{ "accountId": ID, "options": options }], "text": "x" });
        check(&body.to_string(), &format!("targets.0.options.{expected}"));
    }
    let zones = ["en", "pt-BR", "zh-Hant-TW"];
    let fine = json!({ "platform": "bluesky", "langs": zones, "tags": ["a"] });
    let body = json!({ "targets": [{ "accountId": ID, "options": fine }], "text": "x" });
    let read = accepted(&body.to_string()).targets.remove(0).options.expect("options");
    let kept = r#"{"langs":["en","pt-BR","zh-Hant-TW"],"tags":["a"]}"#;
    assert_eq!(read.json.as_deref(), Some(kept));
}

#[test]
fn the_first_issue_decides_and_all_are_listed() {
    let body = json!({ "targets": [{ "platform": "x", "text": "" }], "text": "",
        "scheduledAt": "soon", "profileId": "x" });
    let fault = parse_create(body.to_string().as_bytes()).expect_err("five issues");
    let listed: Value = serde_json::from_str(&fault.platform_response.expect("issues")).expect("");
    let rules: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|one| one["rule"].as_str()).collect();
    let expected = ["targets.0.platform", "targets.0.text", "text", "scheduledAt", "profileId"];
    assert_eq!(rules, expected);
    assert_eq!(listed[0]["path"], json!(["targets", 0, "platform"]));
    assert_eq!(listed[0]["options"].as_array().map(Vec::len), Some(Platform::ALL.len()));
    assert_eq!(listed[1]["minimum"], 1);
    let max = json!({ "targets": vec![json!({ "accountId": ID }); 1_000], "text": "x" });
    let fault = parse_create(max.to_string().as_bytes()).expect_err("too many");
    assert!(fault.message.starts_with("1000 targets"), "{}", fault.message);
}

#[test]
fn a_hostile_body_gets_a_short_answer() {
    let many = vec!["0"; 200_000].join(",");
    let names: Vec<String> = (0..200_000).map(|n| format!("\"m{n}\":0")).collect();
    let long = "y".repeat(1_000_000);
    for body in [
        format!(r#"{{"targets":[{many}],"media":[{many}],"options":[{many}]}}"#),
        format!(
            r#"{{"targets":[{{"platform":"bluesky","options":
            {{"platform":"bluesky","tags":[{many}]}}}}]}}"#
        ),
        format!(r#"{{"targets":[{{"platform":"{long}"}}],"scheduledAt":"{long}"}}"#),
        format!(r#"{{"targets":[{{"accountId":"{long}","{long}":1}}],"profileId":"{long}"}}"#),
    ] {
        let fault = parse_create(body.as_bytes()).expect_err("not sound");
        let size = fault.message.len() + fault.platform_response.map_or(0, |text| text.len());
        assert!(size < 20_000, "{size} bytes for {body:.60}");
    }
    let body = format!(
        r#"{{"targets":[{{"platform":"bluesky",{}}}],"text":"x","{long}":1}}"#,
        names.join(",")
    );
    let read = accepted(&body);
    let all: Vec<_> = read.warnings.iter().chain(&read.targets[0].warnings).collect();
    assert_eq!(all.len(), 20);
    assert!(all.iter().all(|warning| warning.message.len() < 200));
}

#[test]
fn what_would_go_out_at_once_by_a_slip_is_refused() {
    let refused = |body: &str, name: &str| {
        let fault = parse_create(body.as_bytes()).expect_err(body);
        assert_eq!(fault.rule.as_deref(), Some("scheduledAt"), "{body}");
        assert!(fault.remediation.expect("a remedy").contains("scheduledAt"), "{body}");
        assert!(fault.message.contains(name), "{}", fault.message);
    };
    for name in ["scheduled_at", "scheduleAt", "schedule_at", "publish_at", "scheduleddAt"] {
        let top = json!({ "targets": [{ "accountId": ID }], "text": "x", name: "2026-05-08" });
        refused(&top.to_string(), name);
        let inner = json!({ "targets": [{ "accountId": ID, name: "2026-05-08" }], "text": "x" });
        refused(&inner.to_string(), name);
    }
    let at = "2026-05-08T12:00:00Z";
    let on_target = json!({ "targets": [{ "accountId": ID, "scheduledAt": at }], "text": "x" });
    refused(&on_target.to_string(), "targets.0.scheduledAt");
    let beside = json!({ "targets": [{ "accountId": ID, "scheduledAt": at }], "text": "x",
        "scheduledAt": at, "publish_at": at });
    let read = accepted(&beside.to_string());
    assert_eq!(read.scheduled_at.map(|at| at.to_string()), Some(at.replace('Z', ".000Z")));
    assert_eq!((read.warnings.len(), read.targets[0].warnings.len()), (1, 1));
}

#[test]
fn unknown_members_are_remarked_on_where_they_stand() {
    let body = json!({ "targets": [{ "platform": "bluesky", "foo": 1 }, { "platform": "threads" }],
        "text": "x", "bar": null });
    let read = accepted(&body.to_string());
    let told = |warnings: &[crate::model::Warning]| -> Vec<String> {
        warnings.iter().map(|one| format!("{}: {}", one.code, one.message)).collect()
    };
    let ignored = "is not known here and was ignored";
    assert_eq!(told(&read.warnings), [format!("request.unknown_field: bar {ignored}")]);
    let first = format!("request.unknown_field: targets.0.foo {ignored}");
    assert_eq!(told(&read.targets[0].warnings), [first]);
    assert!(read.targets[1].warnings.is_empty());
    let again = r#"{"text":"a","text":"b","targets":[{"platform":"bluesky"}]}"#;
    assert_eq!(accepted(again).text.as_deref(), Some("b"), "the last of equal names holds");
}

#[test]
fn the_bodies_of_the_publishing_guide_are_sound() {
    let nil = "00000000-0000-0000-0000-000000000000";
    let one = accepted(&format!(r#"{{"targets":[{{"accountId":"{nil}"}}],"text":"shipped"}}"#));
    assert_eq!(one.targets[0].account.expect("an id").to_string(), nil);
    assert_eq!((one.text.as_deref(), one.scheduled_at), (Some("shipped"), None));
    let fan = accepted(&format!(
        r#"{{"targets":[{{"accountId":"{nil}","text":"shipped: 280-char version with emoji"}},
            {{"accountId":"{nil}","text":"Shipped — the long-form version."}},
            {{"accountId":"{nil}"}}],"text":"shipped — default that bluesky picks up"}}"#
    ));
    let own: Vec<bool> = fan.targets.iter().map(|target| target.text.is_some()).collect();
    assert_eq!(own, [true, true, false]);
    let by_platform = accepted(r#"{"targets":[{"platform":"bluesky"}],"text":"shipped"}"#);
    assert_eq!(by_platform.targets[0].platform, Some(Platform::Bluesky));
    let later = accepted(&format!(
        r#"{{"targets":[{{"accountId":"{nil}"}}],"text":"Friday at noon UTC",
            "scheduledAt":"2026-05-08T12:00:00Z"}}"#
    ));
    let at = later.scheduled_at.expect("a time").to_string();
    assert_eq!(at, "2026-05-08T12:00:00.000Z");
}

#[test]
fn the_bodies_that_clients_send_mean_what_they_meant() {
    let cli = accepted(
        r#"{"text":"hi","targets":[{"platform":"bluesky"},{"platform":"twitter"}],
            "media":[{"kind":"image","mediaId":"med_0123456789abcdefABCDEF"}],
            "firstComment":{"text":"c"},"scheduledAt":"2026-05-08T12:00:00Z"}"#,
    );
    assert_eq!(cli.first_comment.as_deref(), Some("c"));
    assert!(matches!(cli.media.as_deref(), Some([one])
        if matches!(&one.source, RequestSource::Upload(id)
            if id.as_str() == "med_0123456789abcdefABCDEF")));
    let n8n = accepted(&format!(
        r#"{{"targets":[{{"accountId":"{ID}","options":{{"platform":"bluesky",
            "replyToUri":"at://did:plc:a/app.bsky.feed.post/3k","replyToCid":"bafy"}}}}],
            "text":"hi","scheduledAt":"2026-05-08T12:00:00.000Z","publishNow":false}}"#
    ));
    assert!(n8n.scheduled_at.is_some() && n8n.targets[0].options.is_some());
    let inline = accepted(&format!(
        r#"{{"targets":[{{"accountId":"{ID}"}}],
            "media":[{{"kind":"image","bytesBase64":"AQID","altText":""}}]}}"#
    ));
    let media = inline.media.expect("media");
    assert_eq!(media[0].source, RequestSource::Inline(std::sync::Arc::new(vec![1, 2, 3])));
    assert_eq!(media[0].alt_text.as_deref(), Some(""));
    for comment in ["{}", r#"{"text":""}"#, r#"{"text":null}"#] {
        let make = accepted(&format!(
            r#"{{"targets":[{{"accountId":"{ID}"}}],"text":"hi","firstComment":{comment},
                "publishNow":true}}"#
        ));
        assert_eq!((make.first_comment, make.scheduled_at), (None, None), "{comment}");
    }
    let empty = accepted(&format!(
        r#"{{"targets":[{{"accountId":"{ID}","text":"x","media":[],
            "options":{{"platform":"twitter"}}}}],"publishNow":true}}"#
    ));
    assert_eq!(empty.targets[0].media.as_deref(), Some(&[][..]));
    assert_eq!(empty.targets[0].options.as_ref().and_then(|one| one.json.as_deref()), None);
}

#[test]
fn sandbox_options_stand_inside_or_beside() {
    let read = |target: &str| {
        let body = format!(r#"{{"targets":[{target}],"text":"x"}}"#);
        let target = accepted(&body).targets.remove(0);
        assert!(target.warnings.is_empty(), "{body}");
        target.options.and_then(|one| one.json).unwrap_or_default()
    };
    assert_eq!(read(r#"{"platform":"sandbox"}"#), "");
    assert_eq!(read(r#"{"platform":"sandbox","class":"blind"}"#), r#"{"class":"blind"}"#);
    let both = r#"{"platform":"sandbox","class":"blind","latencyMs":5,
        "options":{"platform":"sandbox","class":"keyed","faults":["garbage"]}}"#;
    assert_eq!(read(both), r#"{"class":"keyed","faults":["garbage"],"latencyMs":5}"#);
    check(r#"{"targets":[{"platform":"sandbox","class":"x"}]}"#, "targets.0.class");
    let other = accepted(r#"{"targets":[{"platform":"bluesky","class":"blind"}],"text":"x"}"#);
    assert_eq!((other.targets[0].options.is_none(), other.targets[0].warnings.len()), (true, 1));
}

#[test]
fn an_edit_names_what_it_changes() {
    let refused = |body: &str, expected: &str| {
        let fault = parse_patch(body.as_bytes()).expect_err(body);
        complete(&fault, body);
        assert_eq!(fault.rule.as_deref(), Some(expected), "{body}");
    };
    for body in ["", "{", "null", "[]", "{}", r#"{"firstComment":{"text":"x"}}"#] {
        refused(body, "body");
    }
    refused(r#"{"scheduledAt":"soon","text":""}"#, "scheduledAt");
    refused(r#"{"text":null}"#, "text");
    refused(r#"{"media":[{"kind":"image"}]}"#, "media.0");
    let fault = parse_patch(b"{}").expect_err("nothing");
    assert!(fault.message.contains("at least one"), "{}", fault.message);
    let edit = parse_patch(br#"{"text":"new","media":[],"options":{}}"#).expect("sound");
    assert_eq!(
        (edit.text.as_deref(), edit.media, edit.scheduled_at),
        (Some("new"), Some(vec![]), None)
    );
    assert_eq!(edit.warnings.len(), 1);
    assert!(parse_patch(br#"{"scheduledAt":"2026-05-09T12:00:00+02:00"}"#).is_ok());
}

#[test]
fn a_list_query_is_read_in_every_spelling() {
    let refused = |query: &str, expected: &str| {
        let fault = parse_list(query).expect_err(query);
        complete(&fault, query);
        assert_eq!(fault.rule.as_deref(), Some(expected), "{query}");
    };
    for limit in ["", "0", "abc", "1.5", "-1"] {
        refused(&format!("limit={limit}"), "limit");
    }
    for (asked, given) in [(1, 1), (200, 200), (201, 200), (usize::MAX, 200)] {
        let query = format!("limit={asked}");
        assert_eq!(parse_list(&query).expect("sound").limit, given, "{query}");
    }
    refused("cursor=", "cursor");
    refused("q=%20", "q");
    refused(&format!("q={}", "x".repeat(201)), "q");
    refused("platform=bluesky,x", "platform.1");
    refused("status=done", "status.0");
    refused("after=yesterday", "after");
    refused("before=2026-05-08T12:00:00", "before");
    let plain = parse_list("").expect("nothing asked");
    assert_eq!((plain.limit, plain.cursor, plain.statuses.len()), (50, None, 0));
    for query in [
        "platform=bluesky&platform=twitter",
        "platform=bluesky,twitter",
        "platform[]=bluesky&platform[]=twitter",
        "platform%5B%5D=bluesky&platform=,%20twitter,",
    ] {
        let platforms = parse_list(query).expect(query).platforms;
        assert_eq!(platforms, [Platform::Bluesky, Platform::Twitter], "{query}");
    }
    let all = parse_list(
        "status=&errorCode=a,b&q=%20Hi%25%20&after=2026-05-08T14:00:00+02:00\
         &before=2026-05-09T12:00Z&limit=200&cursor=garbage&profileId=x&else=1",
    )
    .expect("sound");
    assert_eq!(all.after.map(|at| at.to_string()).as_deref(), Some("2026-05-08T12:00:00.000Z"));
    assert_eq!((all.error_codes.len(), all.search.as_deref()), (2, Some("hi%")));
    assert_eq!((all.limit, all.cursor, all.profile), (200, None, Some(None)));
}
