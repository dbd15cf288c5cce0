//! The README's five minutes, word by word, with the binary that is built for the tests.

use std::path::Path;
use std::process::Command;

#[test]
fn the_readme_does_what_it_says() {
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if !["bash", "curl", "awk", "git"].into_iter().all(has) {
        eprintln!("skipped: the tour needs bash, curl, awk and git");
        return;
    }
    let walk = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tour/walk");
    let walked = Command::new(walk).args(["--with", env!("CARGO_BIN_EXE_fanfare")]).output();
    let walked = walked.expect("the script runs");
    let said = String::from_utf8_lossy(&walked.stdout);
    assert!(walked.status.success(), "{said}{}", String::from_utf8_lossy(&walked.stderr));
}
