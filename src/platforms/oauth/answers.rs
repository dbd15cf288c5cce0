//! Reading what an OAuth server answers.

use serde_json::Value;

use super::super::answer::{no_answer, response_json};
use super::super::codec::Answer;
use super::provider::Provider;
use crate::model::{Code, Fault, Millis, Secret, SendOutcome, Timestamp};

/// What an app speaks with as an account.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Opens the API.
    pub access: Secret,
    /// Gets the next tokens; `None` where the platform gave none with this answer.
    pub refresh: Option<Secret>,
    /// When the access token runs out.
    pub expires_at: Timestamp,
    /// From when on it had better be replaced.
    pub refresh_at: Timestamp,
    /// What was granted, as the platform writes it.
    pub scope: Option<String>,
}

/// Who consented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The platform's permanent id of the account.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
}

/// What tokens were asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The code of a consent.
    Code,
    /// A refresh token.
    Refresh,
}

/// Why there are no tokens, or no identity.
#[derive(Debug, Clone)]
pub enum OauthFault {
    /// What was offered is not good, and will not be.
    Refused(Fault),
    /// The platform could not be reached or is disturbed.
    Unavailable(Fault),
    /// It said something else.
    Rejected(Fault),
}

impl OauthFault {
    /// The fault as a client sees it.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Refused(fault) | Self::Unavailable(fault) | Self::Rejected(fault) => fault,
        }
    }
}

/// Reads the answer of the token address.
///
/// # Errors
/// See `OauthFault`.
pub fn read_tokens(
    provider: &Provider,
    offer: Offer,
    answer: &Answer,
) -> Result<Tokens, OauthFault> {
    let step = match offer {
        Offer::Code => Step::Code,
        Offer::Refresh => Step::Refresh,
    };
    let (value, at) = heard(provider, step, answer)?;
    if let Some(tokens) = tokens(provider, &value, at) {
        return Ok(tokens);
    }
    // TikTok says no with a 200.
    if let Some(error) = value["error"].as_str() {
        let message = format!("{} {}: {error}", provider.platform, step.refusal());
        let fault = step.fault(provider, Code::PlatformAuthFailed, message);
        let shown = value.to_string();
        return Err(OauthFault::Refused(
            fault.response(response_json(Some(200), shown.as_bytes())),
        ));
    }
    Err(junk(provider, step))
}

/// Reads the answer of the identity address.
///
/// # Errors
/// See `OauthFault`.
pub fn read_identity(provider: &Provider, answer: &Answer) -> Result<Identity, OauthFault> {
    let (value, _) = heard(provider, Step::Identity, answer)?;
    let at = |path: &[&str]| {
        let found = path.iter().try_fold(&value, |value, name| value.get(name));
        match found {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        }
    };
    match at(provider.id_path) {
        Some(id) => Ok(Identity { id, name: at(provider.name_path) }),
        None => Err(junk(provider, Step::Identity)),
    }
}

/// The fault of an account whose access has run out and that has nothing to renew it with.
pub fn no_refresh_token(provider: &Provider) -> Fault {
    let platform = provider.platform;
    let message = format!(
        "the access to {platform} has run out, and {platform} gave no way to \
                           renew it"
    );
    Fault::new(Code::PlatformAuthFailed, message)
        .rule(format!("{platform}.token.expired"))
        .on(platform)
        .remedy("Connect the account again.")
        .outcome(SendOutcome::NotSent)
}

#[derive(Clone, Copy)]
enum Step {
    Code,
    Identity,
    Refresh,
}

impl Step {
    const fn rule(self) -> &'static str {
        match self {
            Self::Code => "oauth.code_exchange",
            Self::Identity => "oauth.me_lookup",
            Self::Refresh => "oauth.refresh",
        }
    }

    const fn refusal(self) -> &'static str {
        match self {
            Self::Code => "refused the code",
            Self::Identity => "refused to say whose account it is",
            Self::Refresh => "refused to renew the access",
        }
    }

    fn fault(self, provider: &Provider, code: Code, message: String) -> Fault {
        let platform = provider.platform;
        let remedy = match (code, self) {
            (Code::PlatformUnavailable, Self::Refresh) => "Try again later.".to_owned(),
            (Code::PlatformUnavailable, _) => "Begin the connect again in a while.".to_owned(),
            (_, Self::Code) => format!(
                "Begin the connect again. If it goes on, compare oauth.{platform}.client_id, \
                 its client_secret and the redirect URI with the app at {platform}."
            ),
            (_, Self::Identity) => format!(
                "Begin the connect again, and grant what is asked for; the app at {platform} \
                 must be allowed these scopes: {}.",
                provider.scopes.join(" "),
            ),
            (_, Self::Refresh) => format!(
                "Connect the account again. If all accounts of {platform} fail so, check \
                 oauth.{platform}.client_id and its client_secret."
            ),
        };
        Fault::new(code, message)
            .rule(format!("{platform}.{}", self.rule()))
            .on(platform)
            .remedy(remedy)
            .outcome(SendOutcome::NotSent)
    }
}

/// A success as JSON, with when it was heard.
fn heard(
    provider: &Provider,
    step: Step,
    answer: &Answer,
) -> Result<(Value, Timestamp), OauthFault> {
    let platform = provider.platform;
    match answer {
        Answer::Heard { status: 200..300, body, at, .. } => match serde_json::from_slice(body) {
            Ok(value) => Ok((value, *at)),
            Err(_) => Err(junk(provider, step)),
        },
        Answer::Heard { status, body, .. } => {
            let response = response_json(Some(*status), body);
            let said = |code, words: &str| {
                step.fault(provider, code, format!("{platform} {words}")).response(response)
            };
            Err(match status {
                400 | 401 | 403 => {
                    OauthFault::Refused(said(Code::PlatformAuthFailed, step.refusal()))
                }
                429 | 500.. => {
                    let fault = said(Code::PlatformUnavailable, &format!("answered {status}"));
                    OauthFault::Unavailable(fault.retryable())
                }
                _ => OauthFault::Rejected(said(
                    Code::PlatformRejected,
                    &format!("answered {status}"),
                )),
            })
        }
        Answer::NotSent { why } | Answer::MaybeSent { why } => {
            let message = format!("{platform} gave no answer: {why}");
            let fault = step.fault(provider, Code::PlatformUnavailable, message);
            Err(OauthFault::Unavailable(fault.response(no_answer(why)).retryable()))
        }
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => Err(junk(provider, step)),
    }
}

/// A success that does not say what it should. It may hold tokens, so it is not shown.
fn junk(provider: &Provider, step: Step) -> OauthFault {
    let message = format!("{}'s answer cannot be understood", provider.platform);
    let fault = step.fault(provider, Code::PlatformRejected, message);
    OauthFault::Rejected(fault.response(response_json(Some(200), b"(not shown)")))
}

fn tokens(provider: &Provider, value: &Value, at: Timestamp) -> Option<Tokens> {
    let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty());
    let lifetime = match &value["expires_in"] {
        Value::Number(secs) => secs.as_u64(),
        Value::String(secs) => secs.parse().ok(),
        _ => None,
    };
    let lifetime =
        lifetime.map_or(provider.access_lifetime, |secs| Millis(secs.saturating_mul(1_000)));
    // A token that lives no longer than the usual head start is used for half of its life.
    let head_start = provider.refresh_before.min(Millis(lifetime.0 / 2));
    let expires_at = at.plus(lifetime);
    Some(Tokens {
        access: Secret::new(text("access_token")?),
        refresh: text("refresh_token").map(Secret::new),
        expires_at,
        refresh_at: expires_at.minus(head_start),
        scope: text("scope").map(str::to_owned),
    })
}
