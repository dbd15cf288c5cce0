//! The real binary in a folder of its own, spoken to over real sockets.

#![expect(dead_code, reason = "each test target uses its own part of this rig")]

pub mod http;
pub mod pinterest;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// How long anything may take before a test says that it never came.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    child: Child,
    pub base: String,
    pub key: String,
    pub data: PathBuf,
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|problem| {
            panic!("no JSON ({problem}): {}", String::from_utf8_lossy(&self.body))
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The rule of an error body.
    pub fn rule(&self) -> String {
        self.json()["error"]["rule"].as_str().unwrap_or_default().to_owned()
    }
}

/// Starts a server on a folder; waits until it says where it listens.
pub fn start(data: &Path, settings: &[&str]) -> Server {
    try_start(data, settings).unwrap_or_else(|output| panic!("it did not start: {output}"))
}

/// As `start`; gives what it said when it did not.
pub fn try_start(data: &Path, settings: &[&str]) -> Result<Server, String> {
    launch(Command::new(env!("CARGO_BIN_EXE_fanfare")), data, settings)
}

/// As `start`, where no file may grow beyond so many blocks of 512 bytes: a disk that fills up.
pub fn start_confined(data: &Path, blocks: u32, settings: &[&str]) -> Server {
    let mut shell = Command::new("sh");
    // With the signal ignored, a write over the limit is refused as one on a full disk is.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_fanfare")]);
    launch(shell, data, settings).unwrap_or_else(|output| panic!("it did not start: {output}"))
}

/// Starts a server by a command that runs the binary with what follows.
pub fn launch(mut command: Command, data: &Path, settings: &[&str]) -> Result<Server, String> {
    command.current_dir(data.parent().expect("a folder lies in a folder"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let base = loop {
        match lines.next() {
            Some(Ok(line)) => {
                if let Some(base) = line.strip_prefix("listening on ") {
                    break base.to_owned();
                }
            }
            _ => {
                let mut said = String::new();
                let _ = child.stderr.take().expect("it is piped").read_to_string(&mut said);
                let _ = child.wait();
                return Err(said);
            }
        }
    };
    // What it says later must not block it.
    std::thread::spawn(move || lines.for_each(drop));
    let stderr = child.stderr.take().expect("it is piped");
    std::thread::spawn(move || BufReader::new(stderr).lines().for_each(drop));
    let key = std::fs::read_to_string(data.join("initial-key")).expect("the first key is kept");
    Ok(Server { child, base, key: key.trim().to_owned(), data: data.to_owned() })
}

impl Server {
    /// One request; an error when the connection breaks.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        send(&self.base, Some(&self.key), method, path, headers, body)
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).expect("the server answers")
    }

    pub fn post(&self, body: &str) -> Answer {
        self.send("POST", "/v1/posts", &[], body.as_bytes())
    }

    pub fn post_with_key(&self, key: &str, body: &str) -> std::io::Result<Answer> {
        self.try_send("POST", "/v1/posts", &[("Idempotency-Key", key)], body.as_bytes())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits until the process has ended by itself.
    pub fn died(&mut self) -> std::process::ExitStatus {
        let mut status = None;
        until("the process ends", || {
            status = self.child.try_wait().expect("its state can be asked");
            status.is_some()
        });
        status.expect("it has ended")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// The command line on the same folder.
    pub fn cli(&self, args: &[&str]) -> Output {
        cli(&self.data, args)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command line on a folder.
pub fn cli(data: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .current_dir(data.parent().expect("a folder lies in a folder"))
        .args(args)
        .arg("--data-dir")
        .arg(data)
        .stdin(Stdio::null())
        .output()
        .expect("the binary is built")
}

/// One request over a connection of its own.
pub fn send(
    base: &str,
    key: Option<&str>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    read_answer(&mut ask(base, key, method, path, headers, body)?)
}

/// Sends one request; its answer is still to be read, or never is.
pub fn ask(
    base: &str,
    key: Option<&str>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<TcpStream> {
    let host = base.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE * 2))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    if let Some(key) = key {
        head.push_str(&format!("authorization: Bearer {key}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(body);
    Ok(stream)
}

/// Reads one answer up to the end of the connection.
pub fn read_answer(stream: &mut TcpStream) -> std::io::Result<Answer> {
    let mut raw = Vec::new();
    let read = stream.read_to_end(&mut raw);
    let broken = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "no whole answer");
    let split = raw.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(split) = split else {
        read?;
        return Err(broken());
    };
    let head = String::from_utf8_lossy(&raw[..split]).into_owned();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(broken)?;
    let answer = Answer { status, head, body: raw[split + 4..].to_vec() };
    let length = answer.header("content-length").and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length != answer.body.len()) {
        return Err(broken());
    }
    Ok(answer)
}

/// Waits for a fact; what it waits for is asked every few milliseconds.
pub fn until(what: &str, mut fact: impl FnMut() -> bool) {
    let began = Instant::now();
    while !fact() {
        assert!(began.elapsed() < PATIENCE * 2, "never came: {what}");
        after(Duration::from_millis(20));
    }
}

/// Lets time pass as part of a fault, or between two looks at a fact.
pub fn after(span: Duration) {
    let (_keep, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(span);
}

/// What landed on the sandbox, from the log that the platform's side keeps for itself.
pub fn landings(data: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(data.join("sandbox/landings.log")).unwrap_or_default();
    // The last line may be half written; any other that cannot be read would hide a landing.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("a landing is JSON")).collect()
}

/// How often a post landed.
pub fn landed(data: &Path, post: &str) -> usize {
    let of = |landing: &Value| {
        landing["kind"] == "post" && (landing["post"] == post || landing["postId"] == post)
    };
    landings(data).iter().filter(|landing| of(landing)).count()
}

/// An instant from now, as JavaScript prints one.
pub fn from_now(span: Duration) -> String {
    let at = (SystemTime::now() + span).duration_since(UNIX_EPOCH).expect("after 1970");
    let ms = i64::try_from(at.as_millis()).expect("fits");
    fanfare::model::Timestamp::from_millis(ms).to_string()
}

/// A member that is a text.
#[track_caller]
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// The rows of a list.
#[track_caller]
pub fn rows(value: &Value) -> &[Value] {
    value["data"].as_array().unwrap_or_else(|| panic!("no list in {value}"))
}
