//! What Meta tells of a person who used our app at Facebook, Instagram or Threads: that their data
//! is to be deleted, or that they removed the app.
//!
//! Words: a *signed request* is what Meta sends, signed with the app's secret; a *confirmation* is
//! the code that the person gets for it.
//!
//! Deliberately absent: a list of those who asked. A confirmation is given when everything is done
//! and says when by itself, so that nothing of the person need be kept to know it again.

mod signed_request;
mod confirmation;
mod person;

pub use signed_request::MetaPerson;
