//! Which host is believed of which account: the one that the account's DID names, and no other.

use std::io::BufReader;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::host::{Host, Login, host};
use super::proxy::Proxy;
use super::support::{Answer, http, start};
use super::{Rig, SETTINGS, connect, text};

/// A host that gives whoever asks a session of this account.
fn liar(login: &Login) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("it is bound"));
    let document = json!({ "id": login.did, "service": [{ "id": "#atproto_pds",
        "type": "AtprotoPersonalDataServer", "serviceEndpoint": base }] });
    let session = json!({ "did": login.did, "handle": login.handle, "accessJwt": "a.b.c",
        "refreshJwt": "d", "didDoc": document });
    let session = session.to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            while http::read(&mut reader).is_some() && http::write(&mut stream, 200, "", &session) {
            }
        }
    });
    base
}

#[track_caller]
fn refused(answer: &Answer, status: u16, rule: &str) -> Value {
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status, error["rule"].as_str()), (status, Some(rule)), "{error}");
    assert_eq!(error["platform"], "bluesky", "{error}");
    error
}

/// A server that asks the host's own directory, or another.
fn at_directory(host: &Host, plc: Option<&str>) -> (tempfile::TempDir, super::Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = format!("bluesky.plc_url={}", plc.unwrap_or(&host.plc));
    let server = start(&folder.path().join("data"), &[SETTINGS[0], &directory]);
    (folder, server)
}

#[test]
fn a_host_is_believed_of_the_accounts_that_name_it_alone() {
    let Some(host) = host() else { return };
    let (_folder, server) = at_directory(host, None);
    let others = [liar(&host.grace), Proxy::start(&host.base).base];
    for other in &others {
        let error = refused(&connect(&server, &host.grace, other), 502, "bluesky.did.host");
        let told = [text(&error["message"]), text(&error["remediation"])].concat();
        assert!(told.contains(other) && told.contains(&host.base), "{told}");
        assert_eq!(error["retryable"], false, "{error}");
    }
    let rows = |server: &super::Server| server.get("/v1/accounts").json()["data"].clone();
    assert_eq!(rows(&server).as_array().map(Vec::len), Some(1), "the sandbox's alone");

    // Nor is an account that is there already led elsewhere.
    let made = connect(&server, &host.grace, &host.base);
    assert_eq!(made.status, 201, "{}", made.json());
    let before = rows(&server);
    for other in &others {
        refused(&connect(&server, &host.grace, other), 502, "bluesky.did.host");
    }
    assert_eq!(rows(&server), before);
    let target = json!({ "accountId": made.json()["id"] });
    let body = json!({ "targets": [target], "text": "still at home" });
    assert_eq!(server.post(&body.to_string()).json()["status"], "published");
    assert_eq!(host.posts(&host.grace, "still at home").len(), 1);

    // One who asks for a DID gets that one or none.
    let asked = Login { handle: host.ada.did.clone(), ..host.ada.clone() };
    refused(&connect(&server, &asked, &others[0]), 502, "bluesky.did.host");
    assert_eq!(connect(&server, &asked, &host.base).status, 201);
}

#[test]
fn an_account_that_no_directory_knows_is_not_connected() {
    let Some(host) = host() else { return };
    let (_folder, server) = at_directory(host, None);
    let unknown = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
    for did in [unknown, "did:plc:../../x", "did:key:z6Mk", "did:web:10.0.0.1", ""] {
        let login = Login { did: did.to_owned(), ..host.grace.clone() };
        let error = refused(&connect(&server, &login, &liar(&login)), 502, "bluesky.did.document");
        assert_eq!(error["retryable"], false, "{error}");
    }
    // A host on this machine has no document there, and none that could be had later.
    let login = Login { did: "did:web:localhost%3A9".to_owned(), ..host.grace.clone() };
    let error = refused(&connect(&server, &login, &liar(&login)), 503, "bluesky.did.unresolved");
    assert_eq!(error["retryable"], true, "{error}");
}

#[test]
fn without_its_directory_an_account_is_not_connected_and_one_that_is_goes_on() {
    let Some(rig) = Rig::new(None) else { return };
    let Rig { host, server, data, account, _folder } = rig;
    let _alone = host.alone();
    drop(server);
    let server = start(&data, &[SETTINGS[0], "bluesky.plc_url=http://127.0.0.1:9"]);
    let error = refused(&connect(&server, &host.grace, &host.base), 503, "bluesky.did.unresolved");
    assert!(text(&error["remediation"]).contains("bluesky.plc_url"), "{error}");
    assert_eq!(error["retryable"], true, "{error}");
    for end in [Host::expire_access, Host::forget_sessions] {
        end(host);
        let body = json!({ "targets": [{ "accountId": account }], "text": "without a directory" });
        let batch = server.post(&body.to_string()).json();
        assert_eq!(batch["status"], "published", "{batch}");
    }
    // A directory is reached by the rules that hold for hosts.
    let metadata = at_directory(host, Some("http://169.254.169.254"));
    let error = connect(&metadata.1, &host.grace, &host.base);
    let error = refused(&error, 503, "bluesky.did.unresolved");
    assert!(text(&error["message"]).contains("metadata service"), "{error}");
}
