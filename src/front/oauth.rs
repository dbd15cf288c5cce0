//! Connecting by consent: sending people to a platform, and meeting them when they come back.

use std::pin::Pin;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use url::Url;

use super::connect::{Fields, platform};
use super::gate::{Api, Inbound};
use super::html;
use super::reply::{Answer, Words};
use crate::accounts::{Accounts, CompleteOauth, Connected, Place, RedeemFault, State, StateFault};
use crate::admission::Caller;
use crate::model::{Fault, Platform, Secret};

/// Characters of what a platform calls its error that are passed on: every word of RFC 6749 fits.
const ERROR_CHARS_MAX: usize = 100;

/// Where people come back to, and where they may be sent on to.
pub struct OauthDoor {
    /// What is said.
    pub words: Arc<Words>,
    /// Connects accounts.
    pub accounts: Arc<Accounts>,
    /// The dashboard, without a trailing slash; empty: a page of our own.
    pub dashboard_url: String,
    /// Origins beside the dashboard's.
    pub trusted_origins: Vec<String>,
}

/// What became of a connect.
enum Outcome {
    /// It worked.
    Connected(Connected),
    /// The platform sent an error with the person.
    Told(String),
    /// What came back is not whole.
    Missing,
    /// The state is not good.
    State(StateFault),
    /// What the platform, or we, said to the code.
    Fault(Fault),
}

impl OauthDoor {
    /// What the gate calls when a person comes back.
    pub fn into_callback(self: Arc<Self>) -> Api {
        Arc::new(move |inbound| {
            let door = Arc::clone(&self);
            let answering = async move { door.answer(inbound).await };
            Box::pin(answering) as Pin<Box<dyn Future<Output = Answer> + Send>>
        })
    }

    /// What a client is to do to connect an account of this platform.
    ///
    /// # Errors
    /// A platform that is not set up, a profile that is not there.
    pub(super) async fn begin(
        &self,
        platform: Platform,
        place: Place,
        return_to: Option<&str>,
    ) -> Result<serde_json::Value, Fault> {
        let return_to = return_to.filter(|url| self.may_return_to(url)).map(str::to_owned);
        self.accounts.begin_oauth(platform, place, return_to).await
    }

    fn may_return_to(&self, url: &str) -> bool {
        let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
        // The origin of anything but a site is like no other, not even like itself.
        let Some(wanted) = origin(url).filter(url::Origin::is_tuple) else { return false };
        let trusted = self.trusted_origins.iter().map(String::as_str);
        trusted
            .chain([self.dashboard_url.as_str()])
            .any(|one| origin(one).as_ref() == Some(&wanted))
    }

    async fn answer(&self, inbound: Inbound) -> Answer {
        let uri = inbound.request.uri();
        // The router has seen that the path is /v1/accounts/oauth/:platform/callback.
        let name = uri.path().split('/').nth(4).unwrap_or_default();
        let platform = match platform(name) {
            Ok(platform) => platform,
            Err(fault) => return self.words.refuse(&fault, &inbound.id),
        };
        let query = uri.query().unwrap_or_default().as_bytes();
        let member = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query);
            let found = pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
            found.filter(|value| !value.is_empty())
        };
        let state = member("state").map(|text| self.accounts.read_state(platform, &text));
        let return_to = match &state {
            Some(Ok(state)) => state.return_to.clone().filter(|url| self.may_return_to(url)),
            _ => None,
        };
        let code = member("code").map(Secret::new);
        let outcome = match (member("error"), code, state) {
            (Some(error), _, _) => Outcome::Told(error.chars().take(ERROR_CHARS_MAX).collect()),
            (None, Some(code), Some(state)) => self.redeem(state, &code).await,
            (None, _, _) => Outcome::Missing,
        };
        // Anybody can come here with anything; only what got as far as the platform is news.
        if let Outcome::Fault(fault) = &outcome {
            tracing::info!(
                request.id = %inbound.id, %platform, problem = %fault.message, "a connect failed"
            );
        }
        let target = return_to.or_else(|| {
            let dashboard = &self.dashboard_url;
            (!dashboard.is_empty()).then(|| format!("{dashboard}/accounts"))
        });
        let sent_on = target.and_then(|target| redirect(&target, platform, &outcome));
        sent_on.unwrap_or_else(|| page(platform, &outcome))
    }

    async fn redeem(&self, state: Result<State, StateFault>, code: &Secret) -> Outcome {
        let state = match state {
            Ok(state) => state,
            Err(fault) => return Outcome::State(fault),
        };
        match self.accounts.return_oauth(&state, code).await {
            Ok(connected) => Outcome::Connected(connected),
            Err(RedeemFault::State(fault)) => Outcome::State(fault),
            Err(RedeemFault::Fault(fault)) => Outcome::Fault(fault),
        }
    }
}

/// Connects an account with what a client brings back from the platform.
///
/// # Errors
/// A field that is missing (its name is the rule), or what the platform said.
pub(super) async fn complete(
    accounts: &Accounts,
    caller: &Caller,
    platform: Platform,
    fields: &Fields,
) -> Result<Connected, Fault> {
    let provider = accounts.provider(platform)?;
    let input = CompleteOauth {
        code: Secret::new(fields.required("code")?),
        state: fields.required("state")?.to_owned(),
        redirect_uri: fields.required_url("redirectUri")?.to_owned(),
        code_verifier: match provider.pkce {
            Some(_) => Some(Secret::new(fields.required("codeVerifier")?)),
            None => None,
        },
        place: fields.place(caller)?,
    };
    accounts.complete_oauth(platform, input).await
}

impl Outcome {
    /// The word of `connect_error`; `None` when it worked.
    fn error(&self) -> Option<&str> {
        match self {
            Self::Connected(_) => None,
            Self::Told(error) => Some(error),
            Self::Missing => Some("missing_params"),
            Self::State(fault) => Some(fault.as_str()),
            Self::Fault(fault) => Some(fault.code.as_str()),
        }
    }

    /// Why it did not work and what to do, for a person.
    fn words(&self, platform: Platform) -> (String, String) {
        let again = || "Begin the connect again.".to_owned();
        match self {
            Self::Connected(_) => (String::new(), String::new()),
            // Anybody can lead a person here, so that nothing but a word of the field is shown.
            Self::Told(error) if error.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {
                (format!("{platform} answered: {error}"), again())
            }
            Self::Told(_) => (format!("{platform} answered with an error"), again()),
            Self::Missing => ("the address lacks the code or the state".to_owned(), again()),
            Self::State(fault) => (fault.message().to_owned(), again()),
            Self::Fault(fault) => {
                (fault.message.clone(), fault.remediation.clone().unwrap_or_else(again))
            }
        }
    }
}

/// Sends the person on, with the outcome in the query.
fn redirect(target: &str, platform: Platform, outcome: &Outcome) -> Option<Answer> {
    let mut url = Url::parse(target).ok()?;
    let platform = platform.as_str();
    {
        let mut query = url.query_pairs_mut();
        match outcome.error() {
            None => query.append_pair("connected", platform).append_pair("accounts", "1"),
            Some(error) => {
                query.append_pair("connect_error", error).append_pair("platform", platform)
            }
        };
        if let Outcome::Fault(fault) = outcome {
            let members = [
                ("connect_rule", fault.rule.as_deref()),
                ("connect_message", Some(fault.message.as_str())),
                ("connect_remediation", fault.remediation.as_deref()),
            ];
            for (name, value) in members {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
        }
    }
    let location = HeaderValue::from_str(url.as_str()).ok()?;
    let mut answer = html::guarded(StatusCode::FOUND, String::new());
    answer.headers_mut().insert(header::LOCATION, location);
    Some(answer)
}

/// Our own page, for people without a dashboard.
fn page(platform: Platform, outcome: &Outcome) -> Answer {
    let (status, title, text) = match outcome {
        Outcome::Connected(Connected { account, .. }) => {
            let name = account.display_name.as_deref().unwrap_or(&account.platform_account_id);
            let text = format!("{platform}: {name} is connected. You may close this page.");
            (StatusCode::OK, "Connected", text)
        }
        other => {
            let (why, remedy) = other.words(platform);
            let text = format!("{platform} was not connected: {why}. {remedy}");
            (StatusCode::BAD_REQUEST, "Not connected", text)
        }
    };
    html::sheet(status, title, &[text])
}
