//! The dependencies against `deny.toml`: their licences, where they come from, and what is banned.
//! Needs `tests/deny/install` once; without it the test passes, and one line says that it was
//! skipped. Advisories are not asked for: their database cannot be reached from everywhere.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// What `cargo deny check` says; `None`, said once, where it is not installed.
fn check(config: &Path) -> Option<Output> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/deny/.venv");
    if !folder.join(".installed").exists() {
        // Written past the test runner, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: what deny.toml says of dependencies, because tests/deny/install was not run"
        );
        return None;
    }
    let mut command = Command::new(folder.join("bin/cargo-deny"));
    command.current_dir(root).args(["--locked", "--config"]).arg(config);
    Some(command.args(["check", "bans", "licenses", "sources"]).output().expect("it is installed"))
}

#[test]
fn dependencies_are_as_deny_toml_wants_them() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    let Some(output) = check(&config) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // It would say so if they were not.
    let text = std::fs::read_to_string(&config).expect("it is there");
    let folder = tempfile::tempdir().expect("a folder");
    let stricter = folder.path().join("deny.toml");
    let strict = [
        (text.replace("    \"MIT\",\n", ""), "rejected"),
        (
            text.replace("multiple-versions = \"allow\"", "multiple-versions = \"deny\""),
            "duplicate",
        ),
        (format!("{text}allow-registry = []\n"), "source-not-allowed"),
    ];
    for (changed, complaint) in strict {
        assert_ne!(changed, text);
        std::fs::write(&stricter, changed).expect("a file");
        let output = check(&stricter).expect("it is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(complaint), "{complaint}: {said}");
    }
}
