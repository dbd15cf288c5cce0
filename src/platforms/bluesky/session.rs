//! Sessions: made with an app password, refreshed before they run out.

use base64::Engine as _;
use serde_json::{Value, json};

use super::super::answer::{no_answer, response_json};
use super::super::codec::{Answer, Body, Reach, Request};
use super::answers;
use crate::model::{Code, Fault, Platform, Secret, SendOutcome, Timestamp};

/// A session on a host.
#[derive(Debug, Clone)]
pub struct Session {
    /// The account's permanent id.
    pub did: String,
    /// The account's handle at the time.
    pub handle: String,
    /// Opens the account for about two hours.
    pub access_jwt: Secret,
    /// Opens a new session, once; for about ninety days.
    pub refresh_jwt: Secret,
    /// When the access token runs out, if it says so.
    pub access_expires_at: Option<Timestamp>,
}

/// Why there is no session.
#[derive(Debug, Clone)]
pub enum SessionFault {
    /// The password is not good.
    Refused(Fault),
    /// The refresh token is not good any more: make a session with the password.
    Expired(Fault),
    /// The host could not be reached or is disturbed.
    Unavailable(Fault),
    /// The host said something else.
    Rejected(Fault),
}

impl SessionFault {
    /// The fault as a client sees it.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Refused(fault)
            | Self::Expired(fault)
            | Self::Unavailable(fault)
            | Self::Rejected(fault) => fault,
        }
    }
}

/// Makes a session with an app password.
pub fn create_session(pds: &str, identifier: &str, app_password: &Secret) -> Request {
    let body = json!({ "identifier": identifier, "password": app_password.expose() });
    Request { bearer: false, ..super::procedure(pds, "com.atproto.server.createSession", &body) }
}

/// Refreshes a session; the token sent is the refresh token.
pub fn refresh_session(pds: &str) -> Request {
    Request {
        method: "POST",
        url: format!("{pds}/xrpc/com.atproto.server.refreshSession"),
        headers: vec![("accept", "application/json".to_owned())],
        bearer: true,
        body: Body::Empty,
        reach: Reach::Public,
        fault: None,
    }
}

/// Reads the answer of either.
///
/// # Errors
/// See `SessionFault`.
pub fn read_session(answer: &Answer) -> Result<Session, SessionFault> {
    match answer {
        Answer::Heard { status: 200, body, .. } => {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            session(&value).ok_or_else(|| {
                let fault = fault(Code::PlatformRejected, "the host's answer is no session");
                SessionFault::Rejected(fault.response(response_json(Some(200), b"(not shown)")))
            })
        }
        Answer::Heard { status, body, .. } => Err(refusal(*status, body)),
        Answer::NotSent { why } | Answer::MaybeSent { why } => {
            let fault = fault(Code::PlatformUnavailable, &format!("no session: {why}"));
            let fault = match answer {
                Answer::NotSent { .. } => fault.rule("bluesky.unreachable"),
                _ => fault,
            };
            Err(SessionFault::Unavailable(fault.response(no_answer(why)).retryable()))
        }
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => {
            Err(SessionFault::Rejected(fault(Code::InternalError, "no session was asked for")))
        }
    }
}

fn refusal(status: u16, body: &[u8]) -> SessionFault {
    let name = answers::error_name(body);
    let response = response_json(Some(status), body);
    match (status, name.as_str()) {
        (_, "ExpiredToken" | "InvalidToken") => {
            let fault = fault(Code::PlatformAuthFailed, "the host no longer takes the session");
            SessionFault::Expired(fault.response(response))
        }
        (401 | 403, _) => {
            let fault = fault(Code::PlatformAuthFailed, "the host refused the app password");
            SessionFault::Refused(fault.response(response))
        }
        (_, "AccountTakedown" | "AccountDeactivated" | "AccountSuspended") => {
            let fault = fault(Code::PlatformAuthFailed, "the account may not sign in");
            SessionFault::Refused(fault.rule("bluesky.account.taken_down").response(response))
        }
        (429 | 500.., _) => {
            let fault = fault(Code::PlatformUnavailable, &format!("the host answered {status}"));
            SessionFault::Unavailable(fault.response(response).retryable())
        }
        _ => {
            let fault = fault(Code::PlatformRejected, &format!("the host answered {status}"));
            SessionFault::Rejected(fault.response(response))
        }
    }
}

/// The fault of a host that gave sessions before and now says neither yes nor no.
pub fn unclear(said: Fault) -> Fault {
    let later = fault(Code::PlatformUnavailable, &said.message).retryable();
    Fault { platform_response: said.platform_response, ..later }
}

fn fault(code: Code, message: &str) -> Fault {
    let (rule, remedy) = match code {
        Code::PlatformUnavailable => {
            ("bluesky.unavailable", "Try again later; check the pdsUrl if it goes on.")
        }
        _ => (
            "bluesky.auth",
            "Check the identifier, and make a new app password under Settings, Privacy and \
             security, App passwords; the account's own password does not do.",
        ),
    };
    Fault::new(code, message)
        .rule(rule)
        .on(Platform::Bluesky)
        .remedy(remedy)
        .outcome(SendOutcome::NotSent)
}

fn session(value: &Value) -> Option<Session> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let access = text("accessJwt")?;
    Some(Session {
        did: text("did")?,
        handle: text("handle").unwrap_or_default(),
        access_expires_at: expiry(&access),
        access_jwt: Secret::new(access),
        refresh_jwt: Secret::new(text("refreshJwt")?),
    })
}

fn expiry(jwt: &str) -> Option<Timestamp> {
    let payload = jwt.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    value["exp"].as_i64().map(|secs| Timestamp::from_millis(secs.saturating_mul(1_000)))
}
