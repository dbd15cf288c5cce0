//! The bytes that are sent to OAuth servers, and answers as they come from them.

use serde_json::json;

use super::*;
use crate::model::{Code, Fault, Platform, Secret, Timestamp};
use crate::platforms::{Answer, Body, Request};

const AT: Timestamp = Timestamp::from_millis(1_000_000);
const BACK: &str = "https://me.example/v1/accounts/oauth/x/callback";

fn known(platform: Platform) -> &'static Provider {
    provider(platform).expect("it is in the table")
}

fn client(provider: &Provider) -> Client {
    let from = &provider.endpoints;
    Client {
        id: "my app".to_owned(),
        secret: Secret::new("s:cret"),
        endpoints: Endpoints {
            authorize_url: from.authorize_url.to_owned(),
            token_url: from.token_url.to_owned(),
            identity_url: from.identity_url.to_owned(),
            api_url: from.api_url.to_owned(),
        },
    }
}

fn form(request: &Request) -> String {
    let Body::Bytes(bytes) = &request.body else { panic!("{request:?} has no form") };
    String::from_utf8(bytes.clone()).expect("text")
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn heard(status: u16, body: &str) -> Answer {
    Answer::Heard { status, headers: Vec::new(), body: body.as_bytes().to_vec(), at: AT }
}

#[test]
fn the_example_of_rfc_7636_holds() {
    let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let expected = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert_eq!(challenge(Challenge::Base64Url, &verifier), expected);
    let expected = "13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3";
    assert_eq!(challenge(Challenge::Hex, &verifier), expected);
}

#[test]
fn a_person_is_sent_to_consent_with_all_that_the_platform_asks_for() {
    let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let url = |platform, verifier| {
        let provider = known(platform);
        client(provider).authorization_url(provider, BACK, "a.b", verifier)
    };
    let back = "https%3A%2F%2Fme.example%2Fv1%2Faccounts%2Foauth%2Fx%2Fcallback";
    assert_eq!(
        url(Platform::Twitter, Some(&verifier)),
        format!(
            "https://x.com/i/oauth2/authorize?response_type=code&client_id=my%20app\
             &redirect_uri={back}&scope=tweet.read%20tweet.write%20users.read%20offline.access\
             %20media.write&state=a.b\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
        )
    );
    assert_eq!(
        url(Platform::Pinterest, None),
        format!(
            "https://www.pinterest.com/oauth/?response_type=code&client_id=my%20app\
             &redirect_uri={back}&scope=boards%3Aread%2Cboards%3Awrite%2Cpins%3Aread%2C\
             pins%3Awrite%2Cuser_accounts%3Aread&state=a.b"
        )
    );
    assert!(url(Platform::Tiktok, Some(&verifier)).contains("?response_type=code&client_key=my"));
    // A platform that takes no proof is not sent one.
    assert!(!url(Platform::Linkedin, Some(&verifier)).contains("challenge"));
    let provider = known(Platform::Linkedin);
    let mut client = client(provider);
    client.endpoints.authorize_url = "https://other.example/a?b=c".to_owned();
    let url = client.authorization_url(provider, BACK, "s", None);
    assert!(url.starts_with("https://other.example/a?b=c&response_type=code"), "{url}");
}

#[test]
fn tokens_are_asked_for_as_each_platform_wants_it() {
    let (code, verifier) = (Secret::new("c/1"), Secret::new("v"));
    let exchange = |platform, verifier| {
        let provider = known(platform);
        let grant = Grant { code: &code, redirect_uri: "http://h/", code_verifier: verifier };
        client(provider).exchange(provider, &grant)
    };
    let start = "grant_type=authorization_code&code=c%2F1&redirect_uri=http%3A%2F%2Fh%2F";
    let twitter = exchange(Platform::Twitter, Some(&verifier));
    assert_eq!(form(&twitter), format!("{start}&code_verifier=v"));
    // base64 of `my+app:s%3Acret`.
    assert_eq!(header(&twitter, "authorization"), Some("Basic bXkrYXBwOnMlM0FjcmV0"));
    let pinterest = exchange(Platform::Pinterest, None);
    assert_eq!(form(&pinterest), format!("{start}&continuous_refresh=true"));
    assert!(header(&pinterest, "authorization").is_some());
    let linkedin = exchange(Platform::Linkedin, None);
    assert_eq!(form(&linkedin), format!("{start}&client_id=my+app&client_secret=s%3Acret"));
    assert_eq!(header(&linkedin, "authorization"), None);
    let provider = known(Platform::Tiktok);
    let refresh = client(provider).refresh(provider, &Secret::new("r"));
    let expected = "grant_type=refresh_token&refresh_token=r&client_key=my+app\
                    &client_secret=s%3Acret";
    assert_eq!(form(&refresh), expected);
    assert_eq!(refresh.url, "https://open.tiktokapis.com/v2/oauth/token/");
    assert!(client(provider).identity().bearer);
}

#[test]
fn tokens_are_read_with_their_ends() {
    let read = |platform, body: serde_json::Value| {
        read_tokens(known(platform), Offer::Code, &heard(200, &body.to_string())).expect("tokens")
    };
    let whole = json!({ "access_token": "a", "refresh_token": "r", "expires_in": 7200,
                        "scope": "tweet.read" });
    let tokens = read(Platform::Twitter, whole);
    assert_eq!((tokens.access.expose(), tokens.scope.as_deref()), ("a", Some("tweet.read")));
    assert_eq!(tokens.refresh.as_ref().map(Secret::expose), Some("r"));
    assert_eq!(tokens.expires_at.as_millis(), AT.as_millis() + 7_200_000);
    assert_eq!(tokens.refresh_at.as_millis(), AT.as_millis() + 6_300_000);
    // Without a lifetime the platform's usual one; without a refresh token none.
    let tokens = read(Platform::Linkedin, json!({ "access_token": "a" }));
    assert_eq!(tokens.expires_at.as_millis(), AT.as_millis() + 5_184_000_000);
    assert!(tokens.refresh.is_none());
    // A short life is not all head start.
    let short = json!({ "access_token": "a", "expires_in": "3600" });
    let tokens = read(Platform::Linkedin, short);
    assert_eq!(tokens.refresh_at.as_millis(), AT.as_millis() + 1_800_000);
}

#[test]
fn an_identity_is_found_where_the_platform_puts_it() {
    let check = |platform, body: &str, id: &str, name: Option<&str>| {
        let found = read_identity(known(platform), &heard(200, body)).expect("an identity");
        assert_eq!((found.id.as_str(), found.name.as_deref()), (id, name));
    };
    let body = r#"{"data":{"id":"2244994945","name":"X Dev","username":"XDevelopers"}}"#;
    check(Platform::Twitter, body, "2244994945", Some("XDevelopers"));
    check(Platform::Linkedin, r#"{"sub":"782bbtaQ","name":"Ada L"}"#, "782bbtaQ", Some("Ada L"));
    check(Platform::Linkedin, r#"{"sub":7}"#, "7", None);
    let body = r#"{"data":{"user":{"open_id":"723f","display_name":"Ada"}},
                   "error":{"code":"ok"}}"#;
    check(Platform::Tiktok, body, "723f", Some("Ada"));
}

#[test]
fn every_other_answer_is_a_fault_of_the_right_kind() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Kind {
        Refused,
        Unavailable,
        Rejected,
    }
    use Kind::{Refused, Rejected, Unavailable};
    fn sorted(fault: OauthFault) -> (Kind, Fault) {
        match fault {
            OauthFault::Refused(fault) => (Refused, fault),
            OauthFault::Unavailable(fault) => (Unavailable, fault),
            OauthFault::Rejected(fault) => (Rejected, fault),
        }
    }
    let provider = known(Platform::Tiktok);
    let not_sent = Answer::NotSent { why: "no route".to_owned() };
    let lost = Answer::MaybeSent { why: "timed out".to_owned() };
    for (answer, kind, code) in [
        (heard(400, r#"{"error":"invalid_grant"}"#), Refused, Code::PlatformAuthFailed),
        (heard(401, "{}"), Refused, Code::PlatformAuthFailed),
        (heard(200, r#"{"error":"invalid_grant"}"#), Refused, Code::PlatformAuthFailed),
        (heard(404, "gone"), Rejected, Code::PlatformRejected),
        (heard(302, ""), Rejected, Code::PlatformRejected),
        (heard(429, ""), Unavailable, Code::PlatformUnavailable),
        (heard(503, "<html>"), Unavailable, Code::PlatformUnavailable),
        (heard(200, "<html>s3cret</html>"), Rejected, Code::PlatformRejected),
        (heard(200, r#"{"access_token":7,"s3cret":1}"#), Rejected, Code::PlatformRejected),
        (not_sent, Unavailable, Code::PlatformUnavailable),
        (lost, Unavailable, Code::PlatformUnavailable),
    ] {
        for (offer, rule) in
            [(Offer::Code, "tiktok.oauth.code_exchange"), (Offer::Refresh, "tiktok.oauth.refresh")]
        {
            let fault = read_tokens(provider, offer, &answer).expect_err("no tokens");
            let (found, fault) = sorted(fault);
            assert_eq!((found, fault.code), (kind, code), "{answer:?}");
            assert_eq!(fault.rule.as_deref(), Some(rule));
            assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
            assert!(fault.remediation.is_some());
        }
    }
    let nobody = read_identity(provider, &heard(200, r#"{"data":{}}"#)).expect_err("no id");
    assert_eq!(nobody.into_fault().rule.as_deref(), Some("tiktok.oauth.me_lookup"));
}
