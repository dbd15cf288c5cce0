//! Fanfare.
fn main() {}
