//! Pinterest's boards over its API v5: the requests, and how their answers are read.
//!
//! Words: a *board* is what Pins are on; its *name* is unique within an account, whatever its
//! case; a *bookmark* is where the next page of a list begins.
//!
//! Deliberately absent: Pins. Publishing to Pinterest is no part of this.

mod requests;
mod answers;

#[cfg(test)]
mod tests;

pub use answers::{
    BoardPage, BoardRefusal, name_hidden, read_board, read_boards, refused_access, unknown_board,
};
pub use requests::{create_board, list_boards};
