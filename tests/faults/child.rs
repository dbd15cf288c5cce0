//! This test again, as a process of its own that may be faulted, killed or hang.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::number;

/// How long a process may take that is not to hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process under way.
pub struct Running {
    child: Child,
    said: Receiver<(String, String)>,
}

/// What became of one.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

/// A command that plays `role` in `folder`.
pub fn role(role: &str, folder: &Path, seed: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "plays_a_part", "--nocapture", "--test-threads=1", "-q"]);
    command.env("FAULT_ROLE", role).env("FAULT_FOLDER", folder);
    command.env("FAULT_SEED", seed.to_string());
    command
}

/// The folder that this process plays its part in.
pub fn folder() -> PathBuf {
    std::env::var_os("FAULT_FOLDER").expect("a role has a folder").into()
}

/// A number that this process was given for its part.
pub fn given(name: &str) -> u64 {
    number(name).unwrap_or_else(|| panic!("{name} is not given"))
}

impl Running {
    pub fn spawn(mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("a process");
        let mut out = child.stdout.take().expect("it is piped");
        let mut err = child.stderr.take().expect("it is piped");
        let (send, said) = channel();
        std::thread::spawn(move || {
            let errors = std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = err.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            });
            let mut text = Vec::new();
            let _ = out.read_to_end(&mut text);
            let errors = errors.join().unwrap_or_default();
            let _ = send.send((String::from_utf8_lossy(&text).into_owned(), errors));
        });
        Self { child, said }
    }

    /// Waits for its end; none when it does not come.
    pub fn ended(mut self, patience: Duration) -> Option<Ended> {
        // Both pipes close when it ends.
        let said = self.said.recv_timeout(patience).ok();
        if said.is_none() {
            let _ = self.child.kill();
        }
        let status = self.child.wait().expect("it can be waited for");
        let (out, err) = said?;
        Some(Ended { status, out, err })
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Ended {
        let _ = self.child.kill();
        let status = self.child.wait().expect("it can be waited for");
        let (out, err) = self.said.recv_timeout(PATIENCE).expect("its pipes are closed");
        Ended { status, out, err }
    }
}

/// Runs a process that must come to an end.
#[track_caller]
pub fn run(command: Command) -> Ended {
    Running::spawn(command).ended(PATIENCE).expect("it hangs")
}

impl Ended {
    /// The process must have ended well.
    #[track_caller]
    pub fn well(self) -> Self {
        assert!(self.status.success(), "{}: {}{}", self.status, self.out, self.err);
        self
    }
}

/// A folder for what is thrown away, in memory where there is room for that: a power loss is
/// played, not had. `FAULT_SCRATCH` names another place.
pub fn scratch() -> tempfile::TempDir {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let place = PLACE.get_or_init(|| match std::env::var_os("FAULT_SCRATCH") {
        Some(place) => place.into(),
        None if Path::new("/dev/shm").is_dir() => "/dev/shm".into(),
        None => std::env::temp_dir(),
    });
    tempfile::tempdir_in(place).expect("a scratch folder")
}

/// Does `work` for every number below `count` on as many threads as there are processors.
pub fn on_all_processors(count: u64, work: impl Fn(u64) + Sync) {
    let next = std::sync::atomic::AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if n >= count {
                            return;
                        }
                        work(n);
                    }
                })
            })
            .collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}
