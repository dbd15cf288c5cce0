//! The traps that the reference falls into, as section 20 of the contract numbers them: `table.rs`
//! says which test holds each, and the other files hold what no other test does.

mod memory;
mod races;
#[path = "../support/mod.rs"]
mod support;
mod table;

use support::{Server, from_now, rows, start, text};

/// A server with its sandbox account.
fn house(settings: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings: Vec<&str> =
        settings.iter().copied().chain(["webhooks.allow_private=true"]).collect();
    let server = start(&folder.path().join("data"), &settings);
    (folder, server)
}
