//! Webhook endpoints, profiles and retries, for an operator.

use serde_json::{Value, json};

use super::execute::Control;
use super::request::Request;
use crate::engine::{Asking, Change, ChangeError, Records, WriteError};
use crate::model::{Code, Fault, LIST_LIMIT_DEFAULT, PostId};
use crate::wire::{self, Reply};

impl Control {
    /// Carries out a request about webhooks, profiles or a retry.
    pub(super) async fn tend(&self, request: Request) -> Result<Value, Fault> {
        match request {
            Request::WebhooksCreate { url, events } => {
                let body = json!({ "url": url, "events": events }).to_string();
                let asked = wire::parse_endpoint(body.as_bytes())?;
                let (records, reply) = self.webhooks.create(asked)?;
                self.record(records).await?;
                value_of(&reply)
            }
            Request::WebhooksList => read(&wire::endpoints_body(&self.webhooks.list()?)),
            Request::WebhooksRemove { id } => {
                let (records, reply) = self.webhooks.remove(&id)?;
                self.record(records).await?;
                value_of(&reply)
            }
            Request::WebhooksDeliveries { id } => {
                read(&self.webhooks.deliveries(&id, LIST_LIMIT_DEFAULT, None)?)
            }
            Request::WebhooksRedeliver { id, event, after } => {
                let body = match event {
                    Some(event) => json!({ "eventId": event }),
                    None => json!({ "after": after }),
                };
                let asked = wire::parse_redeliver(body.to_string().as_bytes())?;
                value_of(&self.webhooks.redeliver(&id, asked).await?)
            }
            Request::ProfilesCreate { name } => {
                let body = json!({ "name": name }).to_string();
                let asked = wire::parse_profile(body.as_bytes())?;
                let (records, profile) = self.accounts.plan_profile(asked)?;
                self.record(records).await?;
                value_of(&wire::profile_reply(201, &profile))
            }
            Request::ProfilesList => read(&wire::profiles_body(&self.accounts.profiles()?)),
            Request::BatchRetry { post, force } => self.retry(&post, force).await,
            other => Err(Fault::new(Code::InternalError, format!("{other:?} is not tended here"))),
        }
    }

    async fn retry(&self, post: &str, force: bool) -> Result<Value, Fault> {
        let unknown = || {
            Fault::new(Code::NotFound, format!("there is no post {post:?}"))
                .remedy("`fanfare batch list` shows the batches there are.")
        };
        let id: PostId = post.parse().map_err(|_| unknown())?;
        let change = Change::Retry { due: None, force };
        let conflict = |message: String, rule: &str, remedy: &str| {
            Fault::new(Code::ValidationFailed, message).rule(rule).remedy(remedy).status(409)
        };
        match self.engine.change(id, change, Asking::default()).await {
            Ok(changed) => value_of(&changed.reply),
            Err(ChangeError::Unknown) => Err(unknown()),
            Err(ChangeError::Doubtful) => Err(conflict(
                "the post was sent, and whether it is live is not known".to_owned(),
                "post.retry.outcome_unknown",
                "Look at the account. Add --force if the post is not there; rule it published if \
                 it is.",
            )),
            Err(ChangeError::Engine(problem)) => {
                Err(Fault::new(Code::InternalError, problem.to_string())
                    .rule("server.busy")
                    .remedy("Try again in a second."))
            }
            Err(other) => Err(conflict(
                other.to_string(),
                "post.retry.status",
                "Only a failed, rejected or canceled post can be retried.",
            )),
        }
    }

    async fn record(&self, records: Records) -> Result<(), Fault> {
        self.engine.record(records).await.map(drop).map_err(|problem| {
            let message = match problem {
                WriteError::Raced => "a record changed meanwhile".to_owned(),
                WriteError::Engine(problem) => problem.to_string(),
            };
            Fault::new(Code::InternalError, message)
                .rule("server.busy")
                .remedy("Try again in a second.")
        })
    }
}

fn value_of(reply: &Reply) -> Result<Value, Fault> {
    read(&reply.body)
}

fn read(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body)
        .map_err(|problem| Fault::new(Code::InternalError, problem.to_string()))
}
