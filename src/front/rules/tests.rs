//! The table against what the checks say, and its pages.

use std::collections::BTreeSet;

use http_body_util::BodyExt;
use hyper::header;
use serde_json::{Value, json};

use super::page::grouped;
use super::{Form, Named, all, code_index, code_page, find, rule_index, rule_page, slug};
use crate::front::reply::Answer;
use crate::model::{
    Code, Content, Digest, Fault, FirstComment, MediaItem, MediaKind, MediaSource, Platform,
};
use crate::preflight;
use crate::wire::{self, Links};

fn links() -> Links {
    Links { base: "http://host".to_owned() }
}

async fn text(answer: Answer) -> String {
    let body = answer.into_body().collect().await.expect("whole").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

/// The entry of a rule as an error spells it.
#[track_caller]
fn entry(rule: &str) -> &'static Named {
    let url = links().rule_url(rule);
    let slug = url.strip_prefix("http://host/preflight/").expect("a page of a rule");
    find(slug).unwrap_or_else(|| panic!("{rule} has no page"))
}

/// Checks that an error's code and limit are those of its page.
#[track_caller]
fn check(code: Code, rule: &str, limit: &Value) {
    let named = entry(rule);
    assert!(named.rule.codes.contains(&code), "{rule} is told with {}", code.as_str());
    let Some(limit) = limit.as_u64() else { return };
    assert_eq!(named.rule.limit.map(|(limit, _)| limit), Some(limit), "{rule}");
}

#[test]
fn every_name_has_a_slug_of_its_own() {
    let slugs: BTreeSet<&str> = all().iter().map(|named| named.slug.as_str()).collect();
    assert_eq!(slugs.len(), all().len());
    for named in all() {
        assert_eq!(entry(&named.name).name, named.name);
        assert_eq!(entry(&named.name.replace(".N", ".12")).name, named.name);
        assert!(!named.rule.codes.is_empty() && !named.rule.summary.is_empty());
        assert!(!named.rule.remedy.is_empty());
    }
    for nothing in ["", "-", "nope", "targets-max-3", "bluesky", "youtube-unreachable", "text-1"] {
        assert!(find(nothing).is_none(), "{nothing}");
    }
}

#[tokio::test]
async fn every_page_tells_its_number_and_its_codes() {
    for named in all() {
        let html = text(rule_page(&links(), Form::Html, &slug(&named.name)).expect("a page")).await;
        assert!(html.contains(&format!("<h1>{}</h1>", named.name)), "{html}");
        for code in named.rule.codes {
            assert!(html.contains(&links().doc_url(*code)), "{html}");
        }
        let json = rule_page(&links(), Form::Json, &slug(&named.name)).expect("a page");
        let json: Value = serde_json::from_str(&text(json).await).expect("JSON");
        assert_eq!(
            (&json["rule"], &json["summary"]),
            (&json!(named.name), &json!(named.rule.summary))
        );
        match named.rule.limit {
            Some((limit, unit)) => {
                let told = format!("<dd>{} {unit}</dd>", grouped(limit)).replace('\'', "&#39;");
                assert!(html.contains(&told), "{told} is missing in {html}");
                assert_eq!((&json["limit"], &json["unit"]), (&json!(limit), &json!(unit)));
            }
            None => assert!(json["limit"].is_null() && !html.contains("<dt>Limit</dt>")),
        }
    }
}

#[tokio::test]
async fn every_code_has_a_page_with_its_rules_and_indexes_lead_everywhere() {
    let codes = text(code_index(&links(), Form::Html)).await;
    let rules = text(rule_index(&links(), Form::Html)).await;
    for code in Code::ALL {
        assert!(codes.contains(&format!("href=\"{}\"", links().doc_url(code))), "{codes}");
        let html = text(code_page(&links(), Form::Html, code.as_str()).expect("a page")).await;
        let json = text(code_page(&links(), Form::Json, code.as_str()).expect("a page")).await;
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let listed = json["rules"].as_array().expect("rules");
        for named in all().iter().filter(|named| named.heading) {
            let url = links().rule_url(&named.name);
            let ours = named.rule.codes.contains(&code);
            assert_eq!(html.contains(&format!("href=\"{url}\"")), ours, "{url} in {html}");
            assert_eq!(listed.iter().any(|rule| rule["ruleUrl"] == url), ours, "{url}");
            assert!(rules.contains(&format!("href=\"{url}\"")), "{url}");
        }
    }
    assert!(code_page(&links(), Form::Html, "no_such_code").is_none());
    assert!(codes.contains("Send <code>Authorization: Bearer</code> and the key"), "{codes}");
    for index in [code_index(&links(), Form::Json), rule_index(&links(), Form::Json)] {
        let index: Value = serde_json::from_str(&text(index).await).expect("JSON");
        assert!(index["data"].as_array().is_some_and(|all| all.len() >= Code::ALL.len()));
    }
}

#[tokio::test]
async fn pages_run_nothing_and_escape_everything() {
    let base = "http://h/\"><script>'&".to_owned();
    let page =
        rule_page(&Links { base }, Form::Html, "post-retry-outcome_unknown").expect("a page");
    let policy = &page.headers()[header::CONTENT_SECURITY_POLICY];
    assert_eq!(policy, "default-src 'none'; style-src 'unsafe-inline'");
    assert_eq!(page.headers()[header::VARY], "Accept");
    let html = text(page).await;
    assert!(html.contains("{&quot;force&quot;: true}"), "{html}");
    assert!(html.contains("http://h/&quot;&gt;&lt;script&gt;&#39;&amp;/errors"), "{html}");
    assert!(!html.contains("<script"), "{html}");
}

/// Contents that between them break every rule of `preflight`.
fn contents() -> Vec<Content> {
    let url = MediaSource::Url("https://e.org/a".into());
    let media = |kind, count, alt: usize, source: &MediaSource| {
        let alt_text = Some("a".repeat(alt));
        vec![MediaItem { kind, alt_text, source: source.clone() }; count]
    };
    let text = |text: String| Content { text, ..Content::default() };
    let with = |media, text: &str| Content { media, text: text.to_owned(), ..Content::default() };
    let (image, video) = (MediaKind::Image, MediaKind::Video);
    let comment = |text: String| {
        let first_comment = Some(FirstComment { text });
        Content { first_comment, ..with(media(video, 1, 0, &url), "hi") }
    };
    let options = |options: Value| Content {
        options: Some(options.to_string()),
        ..with(media(video, 1, 0, &url), "hi")
    };
    let links: String = (0..6).map(|n| format!("http://e.org/{n} ")).collect();
    vec![
        text(String::new()),
        text("a".repeat(70_000)),
        text("👨‍👩‍👧‍👦".repeat(200)),
        text("👍".repeat(126)),
        text(format!("{links}{}{}", "#a ".repeat(101), "@a ".repeat(21))),
        with(media(image, 40, 5_000, &url), "hi"),
        with(media(video, 2, 0, &url), "hi"),
        with([media(image, 1, 0, &url), media(video, 1, 0, &url)].concat(), "hi"),
        with(media(image, 1, 0, &MediaSource::Inline(Digest([0; 32]))), "hi"),
        comment(" ".to_owned()),
        comment("a".repeat(70_000)),
        comment("👨‍👩‍👧‍👦".repeat(200)),
        options(json!({ "langs": vec!["a"; 4], "tags": vec!["a"; 9], "replyToUri": "x" })),
        options(json!({ "title": "a".repeat(101), "destinationUrl": "a".repeat(2_049) })),
        options(json!({ "brandContentToggle": true, "brandOrganicToggle": true })),
    ]
}

#[test]
fn what_preflight_says_is_what_the_pages_say() {
    let mut told = BTreeSet::new();
    for platform in Platform::ALL {
        for content in contents() {
            for fault in preflight::shape(platform, &content) {
                let rule = fault.rule.expect("a rule");
                let hints = fault.platform_response.unwrap_or_default();
                let hints: Value = serde_json::from_str(&hints).expect("JSON");
                check(fault.code, &rule, &hints["limit"]);
                told.insert(rule);
            }
        }
    }
    // Where the bytes count, a codec inspects them; what an answer says, a step finds out.
    let later = ["mime_allowed", "size_max", "parent_unknown"];
    for named in super::shapes::RULES.iter().flat_map(super::Rule::names) {
        let later = later.iter().any(|end| named.ends_with(end));
        assert_eq!(told.contains(&named), !later, "{named}");
    }
}

/// Every issue of a refused request.
fn issues<T: std::fmt::Debug>(read: Result<T, Fault>) -> Vec<(Code, Value)> {
    let fault = read.expect_err("it is refused");
    let listed = fault.platform_response.as_deref().unwrap_or("null");
    match serde_json::from_str(listed) {
        Ok(Value::Array(issues)) => issues.into_iter().map(|issue| (fault.code, issue)).collect(),
        _ => vec![(fault.code, json!({ "rule": fault.rule }))],
    }
}

#[test]
fn what_is_wrong_with_a_request_has_a_page() {
    let long = "a".repeat(300_000);
    let media = json!([
        { "kind": "image", "url": "x", "mediaId": "x", "bytesBase64": "?", "altText": long },
        { "kind": "image", "url": long }, { "kind": "sound" },
    ]);
    let option = |platform: Platform| {
        let members = wire::option_names(platform).map(|name| (name.to_owned(), json!({})));
        let mut members: serde_json::Map<_, _> = members.collect();
        members.insert("platform".to_owned(), json!(platform.as_str()));
        Value::Object(members)
    };
    let target = |options: Value| {
        json!({ "accountId": 1, "platform": "?", "text": long, "media": media, "options": options,
                "firstComment": { "text": long }, "scheduled_at": 1 })
    };
    let mut bodies = vec![
        json!([]),
        json!({ "targets": 1, "text": 1, "media": media, "firstComment": 1, "publishNow": 1,
                "scheduledAt": "x", "profileId": "x", "options": 1 }),
        json!({ "targets": [], "options": [1, { "platform": "?" }] }),
        json!({ "targets": [1, {}], "media": vec![1; 40], "firstComment": { "text": 1 } }),
        json!({ "targets": vec![json!({ "platform": "sandbox" }); 26] }),
        json!({ "targets": [{ "platform": "sandbox", "class": 1, "latencyMs": -1, "faults": [1] }],
                "text": "hi" }),
        json!({ "targets": [{ "platform": "sandbox", "faults": vec!["none"; 17] }] }),
        json!({ "targets": [{ "platform": "sandbox" }], "publishNow": true,
                "scheduledAt": "2026-05-08T12:00:00Z" }),
        json!({ "targets": [target(json!({ "platform": "bluesky", "tags": vec!["a"; 101],
                "langs": ["?"], "replyRootUri": "x" }))] }),
    ];
    for platform in Platform::ALL {
        bodies
            .push(json!({ "targets": [target(option(platform))], "options": [option(platform)] }));
    }
    let mut seen = Vec::new();
    for body in &bodies {
        seen.extend(issues(wire::parse_create(body.to_string().as_bytes())));
    }
    seen.extend(issues(wire::parse_create(b"{")));
    seen.extend(issues(wire::parse_create("[".repeat(65).as_bytes())));
    seen.extend(issues(wire::parse_validate(br#"{"deep":1}"#)));
    seen.extend(issues(wire::parse_patch(b"{}")));
    seen.extend(issues(wire::parse_retry(br#"{"force":1,"scheduledAt":1}"#)));
    seen.extend(issues(wire::parse_list(
        "platform=?&status=?&after=?&before=?&limit=0&cursor=&q=",
    )));
    seen.extend(issues(wire::parse_events("after=?&type=?&limit=0")));
    let named = json!({ "name": long, "slug": long, "prefix": 1, "scopes": vec!["a"; 21],
        "profileId": 1, "url": long, "events": ["?"], "description": long, "active": 1, "type": 1,
        "eventId": 1, "after": 1, "until": 1 });
    let named = named.to_string();
    seen.extend(issues(wire::parse_endpoint_patch(named.as_bytes())));
    seen.extend(issues(wire::parse_test(named.as_bytes())));
    seen.extend(issues(wire::parse_redeliver(named.as_bytes())));
    seen.extend(issues(wire::parse_key(named.as_bytes())));
    // The page tells the length of a key's name; a profile's or a board's may be longer.
    let board = json!({ "name": long, "description": long, "privacy": 1, "setAsDefault": 1,
        "upsert": 1 });
    let board = issues(wire::parse_board(board.to_string().as_bytes()));
    let profile = issues(wire::parse_profile(named.as_bytes()));
    let longer = profile.into_iter().chain(board);
    seen.extend(longer.filter(|(_, issue)| issue["rule"] != "name"));
    seen.extend(issues(wire::parse_default_board(b"{}")));
    assert!(seen.len() > 150, "only {} issues", seen.len());
    for (code, issue) in seen {
        check(code, issue["rule"].as_str().expect("a rule"), &issue["maximum"]);
    }
}
