//! The exact bytes of every request: a host that de-duplicates does it by them.

use super::*;

fn check(request: &Request, line: &str, body: &str) {
    assert_eq!(format!("{} {}", request.method, request.url), line);
    let got = match &request.body {
        Body::Empty => String::new(),
        Body::Bytes(bytes) => String::from_utf8(bytes.clone()).expect("UTF-8"),
        Body::Media(digest) => format!("media {}", &digest.to_string()[..4]),
    };
    assert_eq!(got, body);
    assert_eq!(request.reach, Reach::Public);
    assert_eq!(request.fault, None);
}

#[test]
fn each_step_says_these_very_bytes() {
    let mut bench = Bench::text("é #a @a.test");
    bench.content.options = Some(r#"{"langs":["en"],"tags":["t"]}"#.into());
    bench.content.first_comment = Some(FirstComment { text: "more".into() });
    bench.content.media = vec![MediaItem {
        kind: MediaKind::Image,
        alt_text: None,
        source: MediaSource::Inline(Digest([0xab; 32])),
    }];
    bench.media = vec![MediaFacts {
        digest: Digest([0xab; 32]),
        bytes: 9,
        mime: "image/png".into(),
        dimensions: Some((4, 3)),
    }];
    bench.memos.insert("resolve_mentions", vec![Arc::from(r#"{"a.test":"did:plc:a"}"#)]);
    bench.memos.insert("upload", vec![Arc::from(r#"{"$type":"blob","size":9}"#)]);
    bench.receipt = Some(Receipt { uri: Some("at://u".into()), cid: Some("c".into()), url: None });
    let xrpc = |method: &str| format!("POST https://pds.test/xrpc/com.atproto.repo.{method}");
    check(&bench.request("upload"), &xrpc("uploadBlob"), "media abab");
    check(
        &bench.request("publish"),
        &xrpc("putRecord"),
        concat!(
            r#"{"collection":"app.bsky.feed.post","record":{"$type":"app.bsky.feed.post","#,
            r#""createdAt":"2027-01-15T08:00:00.000Z","embed":{"$type":"app.bsky.embed.images","#,
            r#""images":[{"alt":"","aspectRatio":{"height":3,"width":4},"#,
            r#""image":{"$type":"blob","size":9}}]},"#,
            r#""facets":[{"features":[{"$type":"app.bsky.richtext.facet#tag","tag":"a"}],"#,
            r#""index":{"byteEnd":5,"byteStart":3}},"#,
            r#"{"features":[{"$type":"app.bsky.richtext.facet#mention","did":"did:plc:a"}],"#,
            r#""index":{"byteEnd":13,"byteStart":6}}],"#,
            r#""langs":["en"],"tags":["t"],"text":"é #a @a.test"},"#,
            r#""repo":"did:plc:me","rkey":"3kuk22222up26","swapRecord":null}"#,
        ),
    );
    check(
        &bench.request("first_comment"),
        &xrpc("putRecord"),
        concat!(
            r#"{"collection":"app.bsky.feed.post","record":{"$type":"app.bsky.feed.post","#,
            r#""createdAt":"2027-01-15T08:00:00.000Z","langs":["en"],"#,
            r#""reply":{"parent":{"cid":"c","uri":"at://u"},"root":{"cid":"c","uri":"at://u"}},"#,
            r#""text":"more"},"repo":"did:plc:me","rkey":"3kuk22222uq26","swapRecord":null}"#,
        ),
    );
}

#[test]
fn a_comment_under_a_reply_keeps_the_thread_s_root() {
    let mut bench = Bench::text("yes");
    bench.content.first_comment = Some(FirstComment { text: "more".into() });
    bench.receipt = Some(Receipt { uri: Some("at://u".into()), cid: Some("c".into()), url: None });
    let kept = r#"{"root":{"uri":"at://r","cid":"c0"},"parent":{"uri":"at://p","cid":"c1"}}"#;
    bench.memos.insert("reply_parent", vec![Arc::from(kept)]);
    let reply = &bench.body("first_comment")["record"]["reply"];
    assert_eq!(reply["root"], json!({ "uri": "at://r", "cid": "c0" }));
    assert_eq!(reply["parent"], json!({ "uri": "at://u", "cid": "c" }));
}

#[test]
fn a_post_without_an_address_gets_no_comment() {
    let mut bench = Bench::text("ruled live");
    bench.content.first_comment = Some(FirstComment { text: "more".into() });
    for receipt in [None, Some(Receipt::default())] {
        bench.receipt = receipt;
        let fault = Bluesky.prepare(&bench.cx("first_comment")).expect_err("nowhere to put it");
        assert_eq!(fault.rule.as_deref(), Some("bluesky.first_comment.no_parent"));
    }
}

#[test]
fn sessions_are_asked_for_without_the_account_s_token() {
    let server = "POST https://pds.test/xrpc/com.atproto.server.";
    let made = session::create_session("https://pds.test", "me.test", &Secret::new("pw"));
    check(&made, &format!("{server}createSession"), r#"{"identifier":"me.test","password":"pw"}"#);
    assert!(!made.bearer, "there is no token yet");
    let refreshed = session::refresh_session("https://pds.test");
    check(&refreshed, &format!("{server}refreshSession"), "");
    assert!(refreshed.bearer, "the refresh token proves it");
}
