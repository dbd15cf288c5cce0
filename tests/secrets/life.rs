//! One life of the real binary that says everything it can, and keeps what it says.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::until;

/// A running server.
pub struct Life {
    child: Child,
    pub base: String,
    pub data: PathBuf,
    out: PathBuf,
    err: PathBuf,
}

impl Life {
    /// Starts one; `n` names its files.
    pub fn begin(data: &Path, n: usize, settings: &[String]) -> Self {
        let folder = data.parent().expect("a folder lies in a folder");
        let (out, err) = (folder.join(format!("out-{n}")), folder.join(format!("err-{n}")));
        let file = |path| File::create(path).expect("room");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.current_dir(folder).env("RUST_LOG", "trace");
        command.args(["serve", "--listen", "127.0.0.1:0", "--set", "log.level=trace"]);
        command.arg("--data-dir").arg(data);
        for setting in settings {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        let child = command.spawn().expect("the binary is built");
        let mut life = Self { child, base: String::new(), data: data.to_owned(), out, err };
        until("it says where it listens", || {
            let said = life.said();
            let line = said.lines().find_map(|line| line.strip_prefix("listening on "));
            life.base = line.unwrap_or_default().to_owned();
            !life.base.is_empty() && said.contains(&format!("{}\n", life.base))
        });
        life
    }

    /// What it said on standard output.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.out).expect("it is there")
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.err).expect("it is there")
    }

    /// SIGTERM, and the end.
    pub fn end(&mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
