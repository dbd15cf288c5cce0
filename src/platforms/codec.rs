//! The interface between the engine and a platform.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::model::{
    self, AccountId, Content, Digest, Errand, Fault, MediaItem, Millis, PostId, Secret, Timestamp,
    Verdict,
};

/// A platform as a pure codec.
pub trait Platform: Send + Sync {
    /// Which platform it is.
    fn platform(&self) -> model::Platform;

    /// The name of the workflow definition for a target with this content.
    fn workflow(&self, content: &Content) -> &'static str;

    /// The names of all steps this code can carry out. A definition may use no other.
    fn steps(&self) -> &'static [&'static str];

    /// The deep preflight of one attachment whose bytes are in hand.
    ///
    /// # Errors
    /// `preflight_failed` with the rule that the bytes break.
    fn inspect(&self, item: &MediaItem, facts: &MediaFacts) -> Result<(), Fault>;

    /// The one request of a step (or of its read-back, when the errand is `Probe`).
    ///
    /// # Errors
    /// A fault that ends the step: what is to be said cannot be said.
    fn prepare(&self, cx: &Context<'_>) -> Result<Prepared, Fault>;

    /// What the answer means.
    fn interpret(&self, cx: &Context<'_>, answer: &Answer) -> Verdict;
}

/// Whether our clock is relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrust {
    /// It was never found wrong.
    Steady,
    /// It was never found wrong, but nobody watched all the time: a process life ended meanwhile.
    Unwatched,
    /// It was found wrong.
    Wrong,
}

/// Everything a step may depend on. All of it is frozen, stored or derived from what is.
#[derive(Debug)]
pub struct Context<'a> {
    /// The step's name.
    pub step: &'a str,
    /// Its round, from 0: the media item's place for `each = "media"`.
    pub round: usize,
    /// Send or read back.
    pub errand: Errand,
    /// How often this step has been begun, this attempt included: from 1.
    pub step_attempt: u32,
    /// The post.
    pub post: PostId,
    /// The account.
    pub account: AccountId,
    /// The content.
    pub content: &'a Content,
    /// When the target's first step began: the `createdAt` of what is sent.
    pub started_at: Timestamp,
    /// When the oldest doubtful attempt of this step was sent; for reading back.
    pub doubt_since: Option<Timestamp>,
    /// When this attempt began.
    pub began_at: Timestamp,
    /// By how many milliseconds our clock is ahead of the platform's, as its last answer said.
    pub clock_ahead: Option<i64>,
    /// Whether our clock is relied on about when the doubtful attempt was sent.
    pub clock: ClockTrust,
    /// Outputs of finished steps by name, each with its rounds in order; JSON text.
    pub memos: BTreeMap<&'a str, Vec<Arc<str>>>,
    /// What the post step gave, once it is done.
    pub receipt: Option<&'a model::Receipt>,
    /// Facts of each media item, once its bytes are in hand.
    pub media: Vec<MediaFacts>,
    /// Where and as whom we speak.
    pub access: &'a Access,
    /// The platform URIs of other targets of ours on this account, so that a read-back does not
    /// adopt what belongs to another post.
    pub owned: &'a [String],
}

/// Where and as whom we speak: what `accounts` hands out for one attempt.
#[derive(Debug, Clone)]
pub struct Access {
    /// The base of every URL, without a trailing slash: the PDS, the sandbox.
    pub base_url: String,
    /// The platform's own id of the account: a DID.
    pub platform_account_id: String,
    /// The bearer token.
    pub token: Secret,
}

/// What is known of an attachment whose bytes are in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFacts {
    /// SHA-256 of the bytes: their name in the media store.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
    /// The MIME type their first bytes show, or `application/octet-stream`.
    pub mime: String,
    /// Width and height in pixels, where the header tells.
    pub dimensions: Option<(u32, u32)>,
}

/// What a step comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prepared {
    /// One request.
    Request(Request),
    /// Get hold of the bytes of the media item of this round and inspect them.
    Snapshot,
    /// Nothing is to be asked; the step is done.
    Nothing(model::Output),
}

/// One HTTP request as data. It may carry what only the platform is to see, in its query, in a
/// header or in its body, so `Debug` shows none of these but the headers named in `PLAIN_HEADERS`.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `PUT`.
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    /// Headers in order, but for the account's token.
    pub headers: Vec<(&'static str, String)>,
    /// Whether to send `Authorization: Bearer` with the account's token.
    pub bearer: bool,
    /// The body.
    pub body: Body,
    /// Which addresses it may reach.
    pub reach: Reach,
    /// A fault the sandbox is to suffer on this attempt; `None` for every real platform.
    pub fault: Option<SandboxFault>,
}

/// A request body. `Debug` shows how long it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// None.
    Empty,
    /// Bytes in hand.
    Bytes(Vec<u8>),
    /// The bytes of the media item with this digest, streamed from disk.
    Media(Digest),
}

/// Which addresses a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses, and private ones where `upstream.allow_private` says so.
    Public,
    /// Our own sandbox on loopback.
    Own,
}

/// A fault on our own side of a sandbox exchange; those on its side travel in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SandboxFault {
    /// Report that nothing was sent, and send nothing.
    TimeoutBeforeSend,
    /// Abort the process before anything is sent.
    CrashBeforeSend,
    /// Abort the process when the answer has arrived, before it is recorded.
    CrashAfterAnswer,
}

/// What came of a request. It may hold tokens, so `Debug` shows of what was heard the status, the
/// names of the headers and the length of the body.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// Certainly nothing reached the platform: DNS, connect, TLS, a local refusal.
    NotSent {
        /// Why, in words.
        why: String,
    },
    /// Some of it may have arrived: timeout, reset, an unreadable answer.
    MaybeSent {
        /// Why, in words.
        why: String,
    },
    /// An answer, whole.
    Heard {
        /// The status.
        status: u16,
        /// Lower-case header names with their values.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
        /// When it was heard; rate-limit resets are absolute.
        at: Timestamp,
    },
    /// The media item's bytes are in hand (for `Prepared::Snapshot`).
    Snapshot(MediaFacts),
    /// The media item's bytes cannot be had.
    SnapshotFailed {
        /// The fault, already in the wire's words.
        fault: Fault,
        /// Whether trying later may help.
        retry_after: Option<Millis>,
    },
}

/// Headers of a request whose values are shown: they say how to read it, never who sends it.
const PLAIN_HEADERS: [&str; 3] = ["accept", "content-length", "content-type"];

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): &(&'static str, String)| {
            let plain = PLAIN_HEADERS.contains(name);
            (*name, if plain { value.clone() } else { "***".to_owned() })
        };
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &plain_url(&self.url))
            .field("headers", &self.headers.iter().map(shown).collect::<Vec<_>>())
            .field("bearer", &self.bearer)
            .field("body", &self.body)
            .field("reach", &self.reach)
            .field("fault", &self.fault)
            .finish()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Media(digest) => f.debug_tuple("Media").field(digest).finish(),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { why } => f.debug_struct("NotSent").field("why", why).finish(),
            Self::MaybeSent { why } => f.debug_struct("MaybeSent").field("why", why).finish(),
            Self::Heard { status, headers, body, at } => {
                let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
                f.debug_struct("Heard")
                    .field("status", status)
                    .field("headers", &names)
                    .field("bytes", &body.len())
                    .field("at", at)
                    .finish()
            }
            Self::Snapshot(facts) => f.debug_tuple("Snapshot").field(facts).finish(),
            Self::SnapshotFailed { fault, retry_after } => f
                .debug_struct("SnapshotFailed")
                .field("fault", fault)
                .field("retry_after", retry_after)
                .finish(),
        }
    }
}

/// An address without its user, its query and its fragment.
fn plain_url(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_its_answer_are_shown_without_what_they_carry() {
        let request = Request {
            method: "POST",
            url: "https://me:s3cret@host.example/oauth/token?client_secret=s3cret#s3cret".into(),
            headers: vec![
                ("accept", "application/json".into()),
                ("authorization", "Basic s3cret".into()),
                ("cookie", "session=s3cret".into()),
            ],
            bearer: false,
            body: Body::Bytes(b"client_secret=s3cret".to_vec()),
            reach: Reach::Public,
            fault: None,
        };
        let answer = Answer::Heard {
            status: 200,
            headers: vec![("set-cookie".into(), "s3cret".into())],
            body: br#"{"access_token":"s3cret"}"#.to_vec(),
            at: Timestamp::from_millis(0),
        };
        let prepared = Prepared::Request(request.clone());
        let shown = format!("{request:?} {prepared:?} {answer:?} {request:#?} {answer:#?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let told = [
            "https://host.example/oauth/token\"",
            "application/json",
            "(\"authorization\", \"***\")",
            "Bytes(20 bytes)",
            "status: 200",
            "set-cookie",
            "bytes: 25",
        ];
        for part in told {
            assert!(shown.contains(part), "{shown} should tell {part}");
        }
        // The bytes themselves are not written as numbers either.
        let numbers = format!("{:?}", b"s3cret");
        assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
    }

    #[test]
    fn an_address_is_shown_up_to_its_path() {
        for (url, shown) in [
            ("https://h/a/b?token=x", "https://h/a/b"),
            ("https://h?token=x@y/z", "https://h"),
            ("https://u:p@h:1/a@b", "https://h:1/a@b"),
            ("no address?x", "no address"),
            ("", ""),
        ] {
            assert_eq!(plain_url(url), shown);
        }
    }
}
