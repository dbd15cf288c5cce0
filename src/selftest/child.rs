//! The server under test: this same program, as a process that may be killed.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdin, Command};

use super::platform::Platform;
use crate::model::Millis;

/// The settings of the server, in its own folder.
const CONFIG: &str = "config.toml";
/// What the server says.
const LOG: &str = "server.log";
/// How long a start may take: the store is read whole.
const START_TIMEOUT: Millis = Millis::from_secs(120);
/// How long a server may take to drain.
const DRAIN_TIMEOUT: Millis = Millis::from_secs(90);
/// Variables of ours would be settings of the operator's own server.
const OUR_VARIABLES: &str = "FANFARE_";
/// How much of the log's end is looked at for its last line.
const LAST_BYTES: usize = 4_096;

/// Where servers are started, one after the other.
pub(super) struct Ground {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

/// A server under way. One that is dropped is killed, and one whose holder is killed ends.
pub(super) struct Child {
    process: tokio::process::Child,
    /// Open for as long as we live: it ends when this does. Not left with the process, which
    /// closes it where its end is waited for.
    _leash: Option<ChildStdin>,
    pub base: String,
}

impl Ground {
    /// Writes the settings. They stand in a file, for arguments can be seen by everybody.
    pub(super) fn prepare(
        program: PathBuf,
        folder: &Path,
        environment: Vec<(OsString, OsString)>,
        platform: &Platform,
    ) -> io::Result<Self> {
        let (url, token) = (&platform.url, platform.token.expose());
        let text = format!(
            "data_dir = \"data\"\n[server]\nlisten = \"127.0.0.1:0\"\n\
             [sandbox]\nurl = \"{url}\"\ntoken = \"{token}\"\n[rate_limit]\npoints = 0\n\
             [backup]\nscheduled = false\n[log]\nlevel = \"warn\"\n"
        );
        std::fs::write(folder.join(CONFIG), text)?;
        Ok(Self { program, folder: folder.to_owned(), environment })
    }

    fn command(&self, args: &[&str]) -> io::Result<Command> {
        let mut command = Command::new(&self.program);
        command.args(args).args(["--config", CONFIG]).current_dir(&self.folder);
        let theirs = std::env::vars_os().map(|(name, _)| name);
        for name in theirs.filter(|name| name.to_string_lossy().starts_with(OUR_VARIABLES)) {
            command.env_remove(name);
        }
        // A Ctrl-C at the terminal is for us alone; we end the server ourselves.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(self.log()?);
        Ok(command)
    }

    fn log(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(self.folder.join(LOG))
    }

    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// How it ended instead, in words.
    pub(super) async fn start(&self) -> Result<Child, String> {
        let mut command =
            self.command(&["serve", "--leashed"]).map_err(|problem| problem.to_string())?;
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped());
        let mut process = command.spawn().map_err(|problem| problem.to_string())?;
        let leash = process.stdin.take();
        let Some(out) = process.stdout.take() else { return Err("it has no output".to_owned()) };
        let mut lines = BufReader::new(out).lines();
        let listens = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(base) = line.strip_prefix("listening on ") {
                    return Some(base.to_owned());
                }
            }
            None
        };
        match tokio::time::timeout(START_TIMEOUT.as_duration(), listens).await {
            Ok(Some(base)) => {
                // What it says later must not block it.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                Ok(Child { process, _leash: leash, base })
            }
            Ok(None) => match process.wait().await {
                Ok(status) => Err(self.ended(status)),
                Err(problem) => Err(problem.to_string()),
            },
            Err(_) => Err(format!("it did not listen within {START_TIMEOUT}")),
        }
    }

    /// How a server ended, with its last words.
    pub(super) fn ended(&self, status: ExitStatus) -> String {
        let said = std::fs::read(self.folder.join(LOG)).unwrap_or_default();
        let tail = &said[said.len().saturating_sub(LAST_BYTES)..];
        let tail = String::from_utf8_lossy(tail);
        format!("{status}: {}", tail.lines().last().unwrap_or("it said nothing"))
    }

    /// The key that its first start made.
    pub(super) fn key(&self) -> io::Result<String> {
        let text = std::fs::read_to_string(self.folder.join("data").join("initial-key"))?;
        Ok(text.trim().to_owned())
    }

    /// `journal verify` on the store of a server that has ended: its answer, if it is clean.
    ///
    /// # Errors
    /// What it found, or how it ended.
    pub(super) async fn verify(&self) -> Result<serde_json::Value, String> {
        let mut command =
            self.command(&["journal", "verify", "--json"]).map_err(|it| it.to_string())?;
        let output = command.output().await.map_err(|problem| problem.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(format!("{} {said}", self.ended(output.status)));
        }
        serde_json::from_str(&said).map_err(|problem| format!("{problem}: {said}"))
    }
}

impl Child {
    /// SIGKILL, also where it is stopped.
    pub(super) async fn kill(mut self) -> io::Result<()> {
        self.process.kill().await
    }

    /// SIGSTOP.
    pub(super) fn stop(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(super) fn go_on(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// How it ended by itself, once it has.
    pub(super) async fn died(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// SIGTERM; it must drain and end well.
    ///
    /// # Errors
    /// How it ended instead.
    pub(super) async fn finish(mut self, ground: &Ground) -> Result<(), String> {
        self.signal(Signal::TERM).map_err(|problem| problem.to_string())?;
        match tokio::time::timeout(DRAIN_TIMEOUT.as_duration(), self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(ground.ended(status)),
            Ok(Err(problem)) => Err(problem.to_string()),
            Err(_) => Err(format!("it did not end within {DRAIN_TIMEOUT} of being told to")),
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(id) = id else { return Err(io::ErrorKind::NotFound.into()) };
        Ok(kill_process(id, signal)?)
    }
}

/// Whether a process ended as one that was refused by its disk does: by itself, with a code.
pub(super) fn is_refusal(status: ExitStatus) -> bool {
    status.signal().is_none() && status.code() == Some(70)
}
