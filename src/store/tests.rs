//! What both stores promise, and what the one on disk promises beyond that.

mod both;
mod claims;
mod damage;
mod disk;
mod large;
mod memory;
mod still;
mod support;
mod verify;
mod waiting;
