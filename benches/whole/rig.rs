//! Servers on folders of their own, with accounts to publish to.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare::model::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::args::Args;
use crate::http::{Until, ask, load};
use crate::support::{self, Server};
use crate::upstream::Upstream;

/// The text of every post, before what tells it from others.
const TEXT: &str = "Fanfare sounds: our new release is out, with everything that you asked for \
                    and a few things that nobody did. Read the notes, try it on the weekend, and \
                    tell us what breaks first, on this or any other platform.";

/// A folder on the real disk that goes when it is dropped.
pub fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// Starts the measured binary on a data folder.
pub fn start(args: &Args, data: &Path) -> Server {
    launch(Command::new(&args.binary), data)
}

/// Starts a server by a command that runs the binary. It is told no limit of rates and no backup in
/// the middle of a figure, and that the upstream and its directory are on this machine.
pub fn launch(command: Command, data: &Path) -> Server {
    let directory = format!("bluesky.plc_url={}", Upstream::shared().base);
    let settings = [
        "rate_limit.points=0",
        "backup.scheduled=false",
        "upstream.allow_private=true",
        &directory,
    ];
    let launched = support::launch(command, data, &settings);
    launched.unwrap_or_else(|said| panic!("it did not start: {said}"))
}

/// Stops a server as an operator does, and waits until it has ended.
pub fn stop(mut server: Server) {
    server.terminate();
    server.died();
}

/// A server on a new folder.
pub struct House {
    pub server: Server,
    folder: TempDir,
}

impl House {
    /// Starts one.
    pub fn open(args: &Args) -> Self {
        let folder = scratch();
        let server = start(args, &folder.path().join("data"));
        Self { server, folder }
    }

    /// Its folder, which is on the disk that the server writes to.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// Connects so many accounts at the upstream; their ids.
pub fn connect_bluesky(server: &Server, upstream: &Upstream, count: usize) -> Vec<String> {
    let base = upstream.base.clone();
    connect(server, "bluesky", count, move |n| {
        json!({ "identifier": format!("bench{n}"), "appPassword": "abcd-efgh-ijkl-mnop",
                "pdsUrl": base })
    })
}

/// Connects so many accounts of the sandbox; their ids.
pub fn connect_sandbox(server: &Server, count: usize) -> Vec<String> {
    connect(server, "sandbox", count, |n| json!({ "name": format!("bench{n}") }))
}

fn connect(
    server: &Server,
    platform: &str,
    count: usize,
    fields: impl Fn(u64) -> Value + 'static,
) -> Vec<String> {
    let (key, path) = (server.key.clone(), format!("/v1/accounts/connect/{platform}/complete"));
    let make = move |_, n| ask(&key, "POST", &path, fields(n).to_string());
    load(&server.base, 1, Until::Count(count as u64), 201, make);
    let listed = server.get("/v1/accounts").json();
    let of = |row: &&Value| {
        row["platform"] == platform && row["displayName"].to_string().contains("bench")
    };
    let ids: Vec<String> =
        support::rows(&listed).iter().filter(of).map(|row| text(row, "id")).collect();
    assert_eq!(ids.len(), count, "{listed}");
    ids
}

/// A text member.
pub fn text(value: &Value, name: &str) -> String {
    support::text(value, name).to_owned()
}

/// A request to publish to some accounts, now or at a time.
pub fn post(n: u64, accounts: &[String], at: Option<SystemTime>) -> String {
    let targets: Vec<_> = accounts.iter().map(|id| json!({ "accountId": id })).collect();
    let mut body = json!({ "targets": targets, "text": format!("{TEXT} {n}") });
    if let Some(at) = at {
        body["scheduledAt"] = json!(timestamp(at).to_string());
    }
    body.to_string()
}

/// The same, by the clock of the model.
pub fn timestamp(at: SystemTime) -> Timestamp {
    let ms = at.duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    Timestamp::from_millis(i64::try_from(ms).expect("fits"))
}

/// So far ahead that no run meets it, and as far as a schedule may be, nearly.
pub fn far() -> SystemTime {
    SystemTime::now() + Duration::from_secs(600 * 86_400)
}
