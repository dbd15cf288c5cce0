//! Building the shim and putting it between a process and its disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The letters of the calls that change a file or a name, or flush.
pub const ALL_CALLS: &str = "WTCDRUSr";

/// The system's numbers.
pub const ENOSPC: u32 = 28;
pub const EIO: u32 = 5;

/// The built shim. There must be a C compiler: Rust links with one.
pub fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let built = target.join(format!("shim-{}.so", std::process::id()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let output = Command::new(&compiler)
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&built, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .unwrap_or_else(|problem| {
                panic!("faults of a disk need a C compiler, and {compiler:?}: {problem}; set CC")
            });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Under one name for all, so that runs do not pile up; whoever has the old one keeps it.
        let shared = target.join("shim.so");
        std::fs::rename(&built, &shared).expect("a name in the same folder");
        shared
    })
}

/// Puts the shim between a command and what lies beneath `root`.
pub fn between<'a>(command: &'a mut Command, root: &Path) -> &'a mut Command {
    command.env("LD_PRELOAD", library()).env("FAULT_ROOT", root)
}

/// Sets the clock by which a command begins.
pub fn at(command: &mut Command, seconds: u64) -> &mut Command {
    command.env("LD_PRELOAD", library()).env("FAULT_CLOCK", seconds.to_string())
}

/// Where the shim records to, and takes marks from.
pub fn recorded<'a>(command: &'a mut Command, trace: &Path) -> &'a mut Command {
    command.env("FAULT_TRACE", trace).env("FAULT_MARKS", marks(trace))
}

/// The file of marks that goes with a trace.
pub fn marks(trace: &Path) -> PathBuf {
    trace.with_extension("marks")
}

/// Which call fails, and how.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// The number of the call, from 1.
    pub at: u64,
    /// The letters of the calls that are counted.
    pub on: &'static str,
    pub errno: u32,
    pub mode: &'static str,
}

/// Makes a call of a command fail.
pub fn failing<'a>(command: &'a mut Command, failure: &Failure) -> &'a mut Command {
    command.env("FAULT_AT", failure.at.to_string()).env("FAULT_ON", failure.on);
    command.env("FAULT_ERRNO", failure.errno.to_string()).env("FAULT_MODE", failure.mode)
}
