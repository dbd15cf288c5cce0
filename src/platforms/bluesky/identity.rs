//! Whose an account is: the document of its DID names the one host that may speak for it, and it is
//! read where nobody but the account's owner can change it.
//!
//! Source: the specifications of DIDs and of AT Protocol identities, autumn 2026.

use serde_json::Value;
use url::Url;

use super::super::answer::{no_answer, response_json};
use super::super::codec::{Answer, Body, Reach, Request};
use crate::model::{Code, Fault, Platform, SendOutcome};

/// Characters of a DID's own part: a hash in base32.
const PLC_CHARS: usize = 24;
/// Characters of a DID at the most; a name of a host has no more.
const DID_CHARS_MAX: usize = 262;

/// Asks for the document of a DID: the directory at `plc_url` for `did:plc`, the host that is named
/// for `did:web`.
///
/// # Errors
/// Rule `bluesky.did.document` for a DID of another kind, or one that is not sound.
pub fn document(did: &str, plc_url: &str) -> Result<Request, Fault> {
    let url = if let Some(digits) = did.strip_prefix("did:plc:") {
        let base32 = |c: char| matches!(c, 'a'..='z' | '2'..='7');
        let sound = digits.len() == PLC_CHARS && digits.chars().all(base32);
        sound.then(|| format!("{}/{did}", plc_url.trim_end_matches('/')))
    } else {
        did.strip_prefix("did:web:").and_then(well_known)
    };
    let url = url.filter(|_| did.len() <= DID_CHARS_MAX).ok_or_else(|| {
        let message = "the host gave a session of an account whose DID is not sound";
        fault(Code::PlatformRejected, "bluesky.did.document", message)
            .remedy("Only did:plc and did:web of a whole host are known. Check the pdsUrl.")
    })?;
    let headers = vec![("accept", "application/json".to_owned())];
    let (method, body, reach) = ("GET", Body::Empty, Reach::Public);
    Ok(Request { method, url, headers, bearer: false, body, reach, fault: None })
}

/// Where the document of a `did:web` is. A port may be named on one's own machine alone.
fn well_known(name: &str) -> Option<String> {
    let (host, port) = match name.split_once("%3A") {
        Some(("localhost", port)) => ("localhost", Some(port.parse::<u16>().ok()?)),
        Some(_) => return None,
        None => (name, None),
    };
    let sound = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(plain)
    };
    host.split('.').all(sound).then_some(())?;
    // An address is no name, and nobody owns one.
    matches!(url::Host::parse(host), Ok(url::Host::Domain(_))).then_some(())?;
    Some(match (host, port) {
        ("localhost", Some(port)) => format!("http://localhost:{port}/.well-known/did.json"),
        ("localhost", None) => "http://localhost/.well-known/did.json".to_owned(),
        _ => format!("https://{host}/.well-known/did.json"),
    })
}

/// The host that a document names for its account.
///
/// # Errors
/// Rule `bluesky.did.unresolved`, which may pass, or `bluesky.did.document`.
pub fn read_host(did: &str, answer: &Answer) -> Result<String, Fault> {
    let (status, body) = match answer {
        Answer::Heard { status, body, .. } => (*status, body),
        Answer::NotSent { why } | Answer::MaybeSent { why } => {
            return Err(unresolved(did, why).response(no_answer(why)));
        }
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => {
            return Err(unresolved(did, "no document was asked for"));
        }
    };
    let response = response_json(Some(status), body);
    let unsound = |message: String| {
        let remedy = "Check the pdsUrl; whoever runs that host can say what is wrong with the DID.";
        let fault = fault(Code::PlatformRejected, "bluesky.did.document", &message);
        Err(fault.remedy(remedy).response(response.clone()))
    };
    match status {
        404 | 410 => return unsound(format!("there is no document of {did}")),
        200 => {}
        _ => return Err(unresolved(did, &format!("status {status}")).response(response)),
    }
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return Err(unresolved(did, "the answer is no document").response(response));
    };
    if document["id"] != did {
        return unsound(format!("what was given as the document of {did} is another's"));
    }
    match endpoint(did, &document) {
        Some(host) => Ok(host),
        None => unsound(format!("the document of {did} names no host")),
    }
}

fn endpoint(did: &str, document: &Value) -> Option<String> {
    let own = |service: &&Value| {
        let id = service["id"].as_str().unwrap_or_default();
        let id = id.strip_prefix(did).unwrap_or(id);
        id == "#atproto_pds" && service["type"] == "AtprotoPersonalDataServer"
    };
    let endpoint = document["service"].as_array()?.iter().find(own)?["serviceEndpoint"].as_str()?;
    let url = Url::parse(endpoint).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then(|| endpoint.trim_end_matches('/').to_owned())
}

/// Whether two addresses are of one host.
pub fn is_same_host(one: &str, other: &str) -> bool {
    let plain =
        |text: &str| Url::parse(text).ok().map(|url| url.as_str().trim_end_matches('/').to_owned());
    plain(one).is_some_and(|one| Some(one) == plain(other))
}

/// A host that gave a session of an account which lives elsewhere.
pub fn other_host(did: &str, asked: &str, own: &str) -> Fault {
    let message = format!("{asked} gave a session of {did}, which lives at {own}");
    fault(Code::PlatformRejected, "bluesky.did.host", &message)
        .remedy(format!("If the account is yours, connect it with the pdsUrl {own}."))
}

/// A host that gave a session of an account that was not asked for.
pub fn other_account(asked: &str, given: &str) -> Fault {
    let message = format!("the host gave a session of {given}, and was asked for {asked}");
    fault(Code::PlatformRejected, "bluesky.did.host", &message)
        .remedy("Check the identifier and the pdsUrl.")
}

fn unresolved(did: &str, why: &str) -> Fault {
    let message = format!("it cannot be found out where {did} lives: {why}");
    fault(Code::PlatformUnavailable, "bluesky.did.unresolved", &message)
        .remedy(
            "Try again later. An account of a private network needs bluesky.plc_url to be the \
             address of its directory.",
        )
        .retryable()
}

fn fault(code: Code, rule: &str, message: &str) -> Fault {
    Fault::new(code, message).rule(rule).on(Platform::Bluesky).outcome(SendOutcome::NotSent)
}
