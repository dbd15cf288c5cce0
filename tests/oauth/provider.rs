//! The real provider, in a Node process of its own, started once for all tests of this target and
//! gone when they are; and a browser that consents there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Answer, send};

/// A running provider. X and LinkedIn are the same one, with an app at each.
pub struct Provider {
    /// Ends the process when it goes: the script stops with its standard input.
    _process: Child,
    pub base: String,
}

/// The provider; `None`, said once, where Node's packages are not installed.
pub fn provider() -> Option<&'static Provider> {
    static PROVIDER: OnceLock<Option<Provider>> = OnceLock::new();
    PROVIDER.get_or_init(start).as_ref()
}

fn start() -> Option<Provider> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oauth");
    if !script.join("node_modules/.installed").exists() {
        // Written past the test runner, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the tests with a real OAuth provider, because tests/oauth/install was not run"
        );
        return None;
    }
    let mut process = Command::new(script.join("node_modules/.bin/node"))
        .arg("provider.js")
        .current_dir(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("an installed Node starts");
    let mut out = BufReader::new(process.stdout.take().expect("it is piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("the provider says where it is");
    let said: Value = serde_json::from_str(&line).expect("the provider starts");
    // Whatever it prints later must not block it.
    std::thread::spawn(move || out.lines().for_each(drop));
    let base = said["base"].as_str().expect("told").to_owned();
    Some(Provider { _process: process, base })
}

impl Provider {
    /// Its addresses for a platform, by the names of the settings.
    pub fn addresses(&self, platform: &str) -> [(&'static str, String); 4] {
        let identity = if platform == "twitter" { "2/users/me" } else { "me" };
        [
            ("authorize_url", format!("{}/auth", self.base)),
            ("token_url", format!("{}/token", self.base)),
            ("identity_url", format!("{}/{identity}", self.base)),
            ("api_url", self.base.clone()),
        ]
    }

    /// The id and the secret of the app at a platform.
    pub fn app(platform: &str) -> (String, String) {
        let id = if platform == "twitter" { "x-app" } else { "linkedin-app" };
        (id.to_owned(), format!("{id} s3cret/+%"))
    }

    /// Follows the address as a browser does, signed in as `who`; gives the address that the
    /// person is sent back to. `nobody` does not consent.
    #[track_caller]
    pub fn consent(&self, authorization_url: &str, who: &str) -> String {
        let mut url = format!("{authorization_url}&login_hint={who}");
        let mut cookies = BTreeMap::new();
        for _ in 0..10 {
            let path = url.strip_prefix(&self.base).expect("an address of the provider");
            let jar: Vec<String> = cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let headers = [("cookie", jar.join("; "))];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            let answer = send(&self.base, None, "GET", path, &headers, b"").expect("it answers");
            take_cookies(&answer, &mut cookies);
            let next = answer.header("location").unwrap_or_else(|| {
                panic!("{url} leads to {}", String::from_utf8_lossy(&answer.body))
            });
            url = match next.strip_prefix('/') {
                Some(path) => format!("{}/{path}", self.base),
                None => next.to_owned(),
            };
            if !url.starts_with(&self.base) {
                return url;
            }
        }
        panic!("{authorization_url} leads round in circles");
    }

    /// How often something was asked of the token address: `<account> <grant type>`, or the word of
    /// the refusal in place of the account.
    pub fn count(&self, what: &str) -> u64 {
        let answer = send(&self.base, None, "GET", "/counts", &[], b"").expect("it answers");
        answer.json()[what].as_u64().unwrap_or(0)
    }

    /// A person withdraws their consent.
    pub fn withdraw(&self, who: &str) {
        let path = format!("/withdraw/{who}");
        let answer = send(&self.base, None, "GET", &path, &[], b"").expect("it answers");
        assert_eq!(answer.status, 204);
    }
}

fn take_cookies(answer: &Answer, jar: &mut BTreeMap<String, String>) {
    let set = |line: &str| -> Option<(String, String)> {
        let (name, value) = line.split_once(": ")?;
        let (name, rest) =
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split_once('='))??;
        let value = rest.split(';').next().unwrap_or_default();
        Some((name.to_owned(), value.to_owned()))
    };
    for (name, value) in answer.head.lines().filter_map(set) {
        if value.is_empty() {
            jar.remove(&name);
        } else {
            jar.insert(name, value);
        }
    }
}
