//! What is said over HTTP, as text: requests read, replies written.
//!
//! Words: an *issue* is one thing wrong with a request's shape; a *reply* is a status and exact
//! bytes. Absent members are left out, never `null`, unless the contract lists them as nullable.
//!
//! Deliberately absent: HTTP itself, accounts, the store. Everything here is a pure function of
//! its arguments.

mod links;
mod fault;
mod object;
mod batch;
mod post;
mod attempts;
mod notice;
mod account;
mod board;
mod issues;
mod create;
mod schedule;
mod target;
mod media;
mod options;
mod patch;
mod retry;
mod list;
mod upload;
mod person;
mod webhook;
mod events;
mod validate;

pub use account::{account_body, account_value, accounts_body};
pub use attempts::{AttemptView, attempts};
pub use batch::{batch_body, batch_reply};
pub use board::{
    BoardRequest, DefaultBoard, board_reply, boards_body, default_board_reply, parse_board,
    parse_default_board,
};
pub use create::{CreateRequest, parse_create, parse_validate};
pub use events::{EventsQuery, events_body, parse_events};
pub use fault::{error_body, error_value};
pub use links::Links;
pub use list::{ListQuery, PostPage, cursor_of, parse_list};
pub use media::{RequestMedia, RequestSource};
pub use notice::{event_body, event_value, notice_profile, post_notice, sample_data};
pub use options::{PlatformOptions, option_names};
pub use patch::{PatchRequest, parse_patch};
pub use person::{
    KeyRequest, ProfilePatch, ProfileRequest, deleted_reply, fresh_key_reply, keys_body, parse_key,
    parse_profile, parse_profile_patch, profile_reply, profiles_body, revoked_reply, slug_of,
};
pub use post::{AccountWords, cancel_body, post_body, post_status, retry_body};
pub use retry::{RetryRequest, parse_retry};
pub use target::TargetRequest;
pub use upload::{UploadPlace, UploadQuery, parse_uploads, upload_reply, uploads_reply};
pub use validate::{Checked, validate_reply};
pub use webhook::{
    EndpointPatch, EndpointRequest, RedeliverRequest, TestRequest, deliveries_body, endpoint_reply,
    endpoints_body, parse_endpoint, parse_endpoint_patch, parse_redeliver, parse_test,
    redeliver_body, test_body,
};

/// A reply: status and exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: Vec<u8>,
}

#[cfg(test)]
mod tests;
