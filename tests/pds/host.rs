//! The real host: a PDS and a PLC directory in a Node process of their own, started once for all
//! tests of this target and gone when they are.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;

use crate::support::{Answer, http, send};

/// A running host with three accounts.
pub struct Host {
    /// Ends the process when it goes: the script stops with its standard input.
    _process: Child,
    pub base: String,
    /// The directory that names it.
    pub plc: String,
    control: String,
    /// Held by a test that ends sessions and counts what follows.
    sessions: Mutex<()>,
    /// The account that posts.
    pub ada: Login,
    /// The account that is mentioned and replied to.
    pub grace: Login,
    /// The account that changes its handle.
    pub edna: Login,
}

/// What connects an account.
#[derive(Debug, Clone)]
pub struct Login {
    pub handle: String,
    pub did: String,
    pub app_password: String,
}

/// The host; `None`, said once, where Node's packages are not installed.
pub fn host() -> Option<&'static Host> {
    static HOST: OnceLock<Option<Host>> = OnceLock::new();
    HOST.get_or_init(start).as_ref()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pds")
}

fn start() -> Option<Host> {
    let script = folder();
    if !script.join("node_modules/.installed").exists() {
        // Written past the test runner, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the tests with a real Bluesky host, because tests/pds/install was not run"
        );
        return None;
    }
    let mut process = Command::new(script.join("node_modules/.bin/node"))
        .arg("host.js")
        .current_dir(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("an installed Node starts");
    let mut out = BufReader::new(process.stdout.take().expect("it is piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("the host says where it is");
    let said: Value = serde_json::from_str(&line).expect("the host starts");
    // Whatever it prints later must not block it.
    std::thread::spawn(move || out.lines().for_each(drop));
    let login = |n: usize| {
        let member = |name: &str| said["accounts"][n][name].as_str().expect("told").to_owned();
        Login { handle: member("handle"), did: member("did"), app_password: member("appPassword") }
    };
    Some(Host {
        base: said["pdsUrl"].as_str().expect("told").to_owned(),
        plc: said["plcUrl"].as_str().expect("told").to_owned(),
        control: said["controlUrl"].as_str().expect("told").to_owned(),
        sessions: Mutex::default(),
        ada: login(0),
        grace: login(1),
        edna: login(2),
        _process: process,
    })
}

impl Host {
    /// The directory, for whoever speaks to the host at `base`: a wire in front of it is the host
    /// that a document has to name, and is put in its place on the way.
    pub fn directory(&self, base: &str) -> String {
        if base == self.base {
            return self.plc.clone();
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (plc, host, base) = (self.plc.clone(), self.base.clone(), base.to_owned());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                if let Some(asked) = http::read(&mut reader) {
                    let told = send(&plc, None, "GET", &asked.path, &[], b"").expect("it answers");
                    let body = String::from_utf8_lossy(&told.body).replace(&host, &base);
                    http::write(&mut stream, told.status, "connection: close\r\n", &body);
                }
            }
        });
        own
    }

    /// Nobody else ends sessions while this is held.
    pub fn alone(&self) -> MutexGuard<'_, ()> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every access token handed out so far is over.
    pub fn expire_access(&self) {
        self.command("/expire-access");
    }

    /// Every session is over, refresh tokens included.
    pub fn forget_sessions(&self) {
        self.command("/forget-sessions");
    }

    /// Edna's handle is no longer hers.
    pub fn rename_edna(&self) {
        self.command("/rename-edna");
    }

    fn command(&self, path: &str) {
        let answer = send(&self.control, None, "POST", path, &[], b"").expect("it answers");
        assert_eq!(answer.status, 204, "{path}");
    }

    /// A record as the host keeps it, by its `at://` address.
    #[track_caller]
    pub fn record(&self, uri: &str) -> Value {
        let parts: Vec<&str> = uri.trim_start_matches("at://").split('/').collect();
        let [repo, collection, key] = parts[..] else { panic!("{uri} is no address") };
        self.query(&format!(
            "com.atproto.repo.getRecord?repo={repo}&collection={collection}&rkey={key}"
        ))
        .json()
    }

    /// The posts of an account with this text.
    pub fn posts(&self, login: &Login, text: &str) -> Vec<Value> {
        let all = self
            .query(&format!(
                "com.atproto.repo.listRecords?repo={}&collection=app.bsky.feed.post&limit=100",
                login.did
            ))
            .json();
        let records = all["records"].as_array().expect("records");
        records.iter().filter(|record| record["value"]["text"] == text).cloned().collect()
    }

    /// The bytes of an uploaded file.
    pub fn blob(&self, login: &Login, cid: &str) -> Vec<u8> {
        self.query(&format!("com.atproto.sync.getBlob?did={}&cid={cid}", login.did)).body
    }

    fn query(&self, path: &str) -> Answer {
        let answer =
            send(&self.base, None, "GET", &format!("/xrpc/{path}"), &[], b"").expect("it answers");
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer
    }
}
