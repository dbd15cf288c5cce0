//! What Meta asks of whoever has an app there: the data deletion callback with its page, and the
//! deauthorize callback. They need no API key, since Meta signs what it sends; and their errors are
//! bare words, not the API's envelope.
//!
//! Deliberately absent: a limit of requests. Whoever did not sign gets no further than a small body
//! and its signature, and nothing is looked up or written for them.

use std::pin::Pin;
use std::sync::Arc;

use hyper::header;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use super::body::{Bodies, RequestBody};
use super::gate::{Api, Inbound};
use super::html;
use super::reply::{self, Answer, Words};
use super::route::{MetaRoute, Route, route};
use crate::accounts::{Accounts, MetaPerson};
use crate::model::{
    Fault, META_CALL_BYTES_MAX, META_CALLS_BYTES_MAX, META_CODE_CHARS_MAX, Millis, Secret,
};

/// The field that holds what Meta signed.
const FIELD: &str = "signed_request";

/// Answers what Meta asks.
pub struct MetaDoor {
    words: Arc<Words>,
    accounts: Arc<Accounts>,
    bodies: Bodies,
    secrets: Vec<Secret>,
}

impl MetaDoor {
    /// A door for what is signed with one of these secrets.
    pub fn new(
        words: Arc<Words>,
        accounts: Arc<Accounts>,
        secrets: Vec<Secret>,
        body_timeout: Millis,
    ) -> Self {
        let bodies = Bodies::new(META_CALL_BYTES_MAX, META_CALLS_BYTES_MAX, body_timeout);
        Self { words, accounts, bodies, secrets }
    }

    /// What the gate calls.
    pub fn into_callback(self) -> Api {
        let door = Arc::new(self);
        Arc::new(move |inbound| {
            let door = Arc::clone(&door);
            let answering = async move { door.answer(inbound).await };
            Box::pin(answering) as Pin<Box<dyn Future<Output = Answer> + Send>>
        })
    }

    async fn answer(&self, Inbound { id, request }: Inbound) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let done = match route(method.as_str(), &path) {
            Route::Meta(MetaRoute::DeleteData) => self.delete_data(request).await,
            Route::Meta(MetaRoute::DeletionStatus) => Ok(self.status(request.uri().query())),
            Route::Meta(MetaRoute::Deauthorize) => self.deauthorize(request).await,
            _ => return self.words.refuse(&reply::nowhere(method.as_str(), &path), &id),
        };
        done.unwrap_or_else(|refusal| {
            tracing::debug!(request.id = %id, path, why = %refusal.word, "a callback was refused");
            refusal.answer()
        })
    }

    async fn delete_data(&self, request: Request<RequestBody>) -> Result<Answer, Refusal> {
        let person = self.person(request, "data_deletion_callback_not_configured").await?;
        let (removed, code) = self.accounts.forget_person(&person).await?;
        tracing::info!(removed, code, "a request of Meta's to delete a person's data is done");
        let url = format!("{}/data-deletion/status?code={code}", self.words.links.base);
        Ok(reply::json(200, json!({ "url": url, "confirmation_code": code }).to_string()))
    }

    async fn deauthorize(&self, request: Request<RequestBody>) -> Result<Answer, Refusal> {
        let person = self.person(request, "deauth_callback_not_configured").await?;
        let told = self.accounts.app_removed(&person).await?;
        tracing::info!(accounts = told, "a person removed the app at Meta");
        Ok(reply::empty(StatusCode::OK))
    }

    /// The person whom a call is about, once it is known that Meta made it.
    async fn person(
        &self,
        request: Request<RequestBody>,
        unconfigured: &'static str,
    ) -> Result<MetaPerson, Refusal> {
        if self.secrets.is_empty() {
            return Err(Refusal::new(503, unconfigured));
        }
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| is_json(kind.as_bytes()));
        let held = self.bodies.read(request.into_body()).await.map_err(|error| error.fault())?;
        let signed = if is_json { json_field(&held.bytes) } else { form_field(&held.bytes) };
        let signed = signed.ok_or(Refusal::new(400, "signed_request_missing"))?;
        MetaPerson::verify(&signed, &self.secrets)
            .ok_or(Refusal::new(400, "signed_request_invalid"))
    }

    /// What is known of a confirmation, for the person who got it.
    fn status(&self, query: Option<&str>) -> Answer {
        let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let code = pairs.find(|(name, _)| name == "code").map(|(_, value)| value.into_owned());
        let shown: String = code.unwrap_or_default().chars().take(META_CODE_CHARS_MAX).collect();
        let text = match self.accounts.forgotten_at(&shown) {
            Some(at) => vec![
                format!("Request {shown} is done."),
                format!(
                    "Before this server gave that code, at {at}, it removed every account at \
                     Facebook, Instagram and Threads that was connected to it under the id that \
                     Meta named for you, with what opened them, and canceled what was to be \
                     published on them."
                ),
                "What had been published is still where it was published, and you can delete it \
                 there. This server keeps a record of what it published; ask whoever runs it to \
                 have that removed."
                    .to_owned(),
            ],
            None if shown.is_empty() => vec![
                "The address names no confirmation code.".to_owned(),
                "Open the whole address that you were given.".to_owned(),
            ],
            None => vec![
                format!("Code: {shown}"),
                "This server did not give that code, so it can say nothing of the request. Open \
                 the whole address that you were given, or ask whoever runs this server."
                    .to_owned(),
            ],
        };
        html::sheet(StatusCode::OK, "Data deletion", &text)
    }
}

/// What is answered in place of what was asked for.
#[derive(Debug)]
struct Refusal {
    status: u16,
    word: String,
    fault: Option<Fault>,
}

impl Refusal {
    fn new(status: u16, word: &str) -> Self {
        Self { status, word: word.to_owned(), fault: None }
    }

    fn answer(&self) -> Answer {
        let body = json!({ "error": self.word }).to_string().into_bytes();
        match &self.fault {
            Some(fault) => reply::refusal(fault, body),
            None => reply::json(self.status, body),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let rule = fault.rule.as_deref().unwrap_or(fault.code.as_str());
        Self { status: fault.http_status(), word: rule.replace('.', "_"), fault: Some(fault) }
    }
}

fn is_json(kind: &[u8]) -> bool {
    let kind = String::from_utf8_lossy(kind).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind == "application/json" || kind.ends_with("+json")
}

fn json_field(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value[FIELD].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn form_field(body: &[u8]) -> Option<String> {
    let mut fields = url::form_urlencoded::parse(body);
    fields.find(|(name, text)| name == FIELD && !text.is_empty()).map(|(_, text)| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_found_in_either_form() {
        let form = |body: &str| form_field(body.as_bytes());
        assert_eq!(form("signed_request=a.b&x=y").as_deref(), Some("a.b"));
        assert_eq!(form("x=y&signed_request=a%2Eb").as_deref(), Some("a.b"));
        for body in ["", "signed_request", "signed_request=", "signed=a.b", "{}"] {
            assert_eq!(form(body), None, "{body}");
        }
        let json = |body: &str| json_field(body.as_bytes());
        assert_eq!(json(r#"{"signed_request":"a.b"}"#).as_deref(), Some("a.b"));
        for body in ["", "{}", "[]", r#"{"signed_request":1}"#, r#"{"signed_request":""}"#, "{"] {
            assert_eq!(json(body), None, "{body}");
        }
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
            assert!(is_json(kind.as_bytes()), "{kind}");
        }
        for kind in ["application/x-www-form-urlencoded", "text/plain", "", "text/json-ish"] {
            assert!(!is_json(kind.as_bytes()), "{kind}");
        }
    }
}
