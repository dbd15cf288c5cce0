//! Real deliveries, checked by the libraries that receivers of webhooks use. Needs
//! `tests/verifiers/install` once; without it the test passes and one line says that it was
//! skipped.

#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use receiver::{Heard, Receiver};
use serde_json::{Value, json};
use support::{Server, start, until};

const LIBRARIES: [&str; 2] = ["standardwebhooks", "svix"];
const HOOKS: &str = "/v1/webhook-endpoints";
const TO_SANDBOX: &str = r#"{"targets":[{"platform":"sandbox"}],"text":"Grüße 👋"}"#;

/// Both libraries, in a Node process that ends with its standard input.
struct Verifiers {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Verifiers {
    /// `None`, said once, where they are not installed.
    fn start() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifiers");
        if !folder.join("node_modules/.installed").exists() {
            // Written past the test runner, which would swallow it.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: the checks of real webhook libraries, because tests/verifiers/install \
                 was not run"
            );
            return None;
        }
        let mut process = Command::new("node")
            .arg("verify.js")
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("where npm installed them there is a Node");
        let said = BufReader::new(process.stdout.take().expect("it is piped"));
        Some(Self { process, said })
    }

    /// Whether a library accepts the delivery; if not, its reason.
    fn check(&mut self, library: &str, secret: &str, heard: &Heard) -> Result<(), String> {
        let headers: serde_json::Map<String, Value> =
            heard.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let body = STANDARD.encode(&heard.body);
        let asked =
            json!({ "library": library, "secret": secret, "headers": headers, "body": body });
        let input = self.process.stdin.as_mut().expect("it is piped");
        writeln!(input, "{asked}").expect("it listens");
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it answers");
        let answer: Value = serde_json::from_str(&line).expect("a line of JSON");
        if answer["ok"] == true { Ok(()) } else { Err(answer["why"].to_string()) }
    }

    #[track_caller]
    fn accept(&mut self, secret: &str, heard: &Heard) {
        for library in LIBRARIES {
            assert_eq!(self.check(library, secret, heard), Ok(()), "{library}");
        }
    }

    #[track_caller]
    fn refuse(&mut self, secret: &str, heard: &Heard, about: &str) {
        for library in LIBRARIES {
            let refused = self.check(library, secret, heard).expect_err(about);
            assert!(refused.contains("No matching signature"), "{library}, {about}: {refused}");
        }
    }
}

impl Drop for Verifiers {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Makes an endpoint; gives its id and secret.
fn hook(server: &Server, url: &str) -> (String, String) {
    let body = json!({ "url": url }).to_string();
    let made = server.send("POST", HOOKS, &[], body.as_bytes()).json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    (text("id"), text("signingSecret"))
}

#[test]
fn real_libraries_accept_what_is_sent_and_nothing_else() {
    let Some(mut verifiers) = Verifiers::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &["webhooks.allow_private=true"]);
    let receiver = Receiver::open();
    let (id, secret) = hook(&server, &format!("{}/one", receiver.base));
    // Secrets are random: several show that all of them can be read.
    for n in 0..20 {
        let (id, secret) = hook(&server, &format!("{}/{n}", receiver.base));
        let test = format!("{HOOKS}/{id}/test");
        assert_eq!(server.send("POST", &test, &[], b"").json()["delivered"], true);
        verifiers.accept(&secret, &receiver.on_path(&format!("/{n}"))[0]);
        assert_eq!(server.send("DELETE", &format!("{HOOKS}/{id}"), &[], b"").status, 200);
    }
    server.post(TO_SANDBOX);
    until("it is told", || receiver.on_path("/one").len() == 1);
    let heard = receiver.on_path("/one")[0].clone();
    assert_eq!(
        (heard.kind().as_str(), heard.header("webhook-id")),
        ("post.published", &*heard.id())
    );
    verifiers.accept(&secret, &heard);
    for place in [0, heard.body.len() / 2, heard.body.len() - 1] {
        let mut flipped = heard.clone();
        flipped.body[place] ^= 1;
        verifiers.refuse(&secret, &flipped, "a flipped byte");
    }
    for name in ["webhook-id", "webhook-timestamp"] {
        let mut other = heard.clone();
        let found = other.headers.iter_mut().find(|(known, _)| known == name);
        let (_, value) = found.expect("it is signed");
        value.replace_range(value.len() - 1.., if value.ends_with('1') { "2" } else { "1" });
        verifiers.refuse(&secret, &other, name);
    }
    let stranger = format!("whsec_{}", STANDARD.encode([7; 32]));
    verifiers.refuse(&stranger, &heard, "the secret of another");
    // Both secrets sign while one takes over from the other.
    let rotated = server.send("POST", &format!("{HOOKS}/{id}/rotate-secret"), &[], b"").json();
    let fresh = rotated["signingSecret"].as_str().expect("a secret").to_owned();
    server.post(TO_SANDBOX);
    until("it is told again", || receiver.on_path("/one").len() == 2);
    let heard = receiver.on_path("/one")[1].clone();
    assert!(heard.event()["data"]["uri"].is_string());
    verifiers.accept(&secret, &heard);
    verifiers.accept(&fresh, &heard);
}
