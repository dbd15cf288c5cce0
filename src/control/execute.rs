//! Carrying out an operator's request.

use std::sync::Arc;

use serde_json::{Value, json};

use super::batches;
use super::request::{Answer, Request};
use super::verify::audit_value;
use crate::accounts::{Accounts, ConnectBluesky, Connected, Place};
use crate::backup::Backups;
use crate::engine::{Asking, Change, ChangeError, Handle};
use crate::model::{
    AccountId, ApiKey, Code, Dice, Fault, KEY_NAME_CHARS_MAX, KeyId, KeyPrefix, Now, Platform,
    PostId, RequestId, Ruling, Scope, Secret,
};
use crate::store::{Store, StoreError, audit};
use crate::webhooks::Webhooks;
use crate::wire::{self, KeyRequest, Links};
use crate::workflow::Catalog;

/// Batches of one list at the most.
const LIST_MAX: usize = 1_000;

/// Everything an operator's request may need.
#[derive(Clone)]
pub struct Control {
    /// The store, for reading.
    pub store: Arc<dyn Store>,
    /// The engine, for changing.
    pub engine: Handle,
    /// Accounts and keys.
    pub accounts: Arc<Accounts>,
    /// Webhook endpoints.
    pub webhooks: Webhooks,
    /// Backups.
    pub backups: Arc<Backups>,
    /// The definitions.
    pub catalog: Arc<Catalog>,
    /// Where error pages are.
    pub links: Links,
    /// The clock.
    pub now: Now,
    /// Chance.
    pub dice: Dice,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

impl Control {
    /// Carries out one request.
    pub async fn execute(&self, request: Request) -> Answer {
        match self.carry_out(request).await {
            Ok(value) => Answer::Done(value),
            Err(fault) => Answer::Failed(self.shown(&fault)),
        }
    }

    /// The answer to a line that is no request.
    pub fn not_understood(&self, why: &str) -> Answer {
        let fault = Fault::new(Code::ValidationFailed, format!("not understood: {why}"))
            .rule("body.json")
            .remedy("Use a client of the same version as the server.");
        Answer::Failed(self.shown(&fault))
    }

    fn shown(&self, fault: &Fault) -> Value {
        let id = RequestId::fresh((self.now)(), (self.dice)());
        wire::error_value(fault, &id, &self.links)
    }

    async fn carry_out(&self, request: Request) -> Result<Value, Fault> {
        match request {
            Request::KeysCreate { name, scopes, test } => self.create_key(name, scopes, test).await,
            Request::KeysList => {
                let keys: Vec<Value> = self.accounts.list_keys()?.iter().map(key_value).collect();
                Ok(json!({ "data": keys }))
            }
            Request::KeysRevoke { id } => {
                let id: KeyId = id.parse().map_err(|_| unknown("API key", &id))?;
                Ok(key_value(&self.accounts.revoke_key(id).await?))
            }
            Request::AccountsConnect { platform, fields } => self.connect(&platform, &fields).await,
            Request::AccountsList => {
                let accounts = self.accounts.list(None)?;
                let values: Vec<Value> = accounts.iter().map(wire::account_value).collect();
                Ok(json!({ "data": values }))
            }
            Request::AccountsRemove { id } => {
                let account: AccountId = id.parse().map_err(|_| unknown("account", &id))?;
                if !self.accounts.remove(account).await? {
                    return Err(unknown("account", &id));
                }
                Ok(json!({ "id": id, "deleted": true }))
            }
            Request::BatchRule { post, ruling, uri } => self.rule(&post, &ruling, uri).await,
            Request::WorkflowList => Ok(self.workflows()),
            Request::Health => self.health().await,
            Request::BatchList { .. }
            | Request::BatchShow { .. }
            | Request::BatchJournal { .. }
            | Request::JournalVerify => self.read(request).await,
            Request::BackupCreate { .. }
            | Request::BackupList { .. }
            | Request::BackupPrune { .. } => self.keep_backups(request).await,
            Request::BatchRetry { .. }
            | Request::WebhooksCreate { .. }
            | Request::WebhooksList
            | Request::WebhooksRemove { .. }
            | Request::WebhooksDeliveries { .. }
            | Request::WebhooksRedeliver { .. }
            | Request::ProfilesCreate { .. }
            | Request::ProfilesList => self.tend(request).await,
        }
    }

    /// Requests that only read, where reading may take long.
    async fn read(&self, request: Request) -> Result<Value, Fault> {
        let this = self.clone();
        let work = move || -> Result<Value, Fault> {
            let store = this.store.as_ref();
            let catalog = &this.catalog;
            match request {
                Request::BatchList { limit, held } => {
                    batches::list(store, catalog, limit.min(LIST_MAX), held).map_err(unreadable)
                }
                Request::BatchShow { id } => {
                    let batch = batches::find(store, &id).map_err(unreadable)??;
                    Ok(batches::show(&batch, catalog))
                }
                Request::BatchJournal { id, from } => {
                    let batch = batches::find(store, &id).map_err(unreadable)??;
                    batches::journal(store, catalog, &batch, from).map_err(unreadable)
                }
                _ => audit(store, catalog).map(|it| audit_value(&it)).map_err(unreadable),
            }
        };
        let value = tokio::task::spawn_blocking(work).await.map_err(|problem| {
            Fault::new(Code::InternalError, format!("the read broke off: {problem}"))
        })??;
        let durable = self.engine.settled_reads().await;
        durable.map_err(|problem| busy(&problem))?;
        Ok(value)
    }

    async fn create_key(
        &self,
        name: String,
        scopes: Vec<String>,
        test: bool,
    ) -> Result<Value, Fault> {
        let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        if let Some(other) = scopes.iter().find(|scope| !known.contains(&scope.as_str())) {
            return Err(Fault::new(
                Code::ValidationFailed,
                format!("no scope is called {other:?}"),
            )
            .rule("scopes")
            .remedy(format!("Use {}.", known.join(", "))));
        }
        if name.chars().count() > KEY_NAME_CHARS_MAX {
            let message = format!("the name is longer than {KEY_NAME_CHARS_MAX} characters");
            let fault = Fault::new(Code::ValidationFailed, message).rule("name");
            return Err(fault.remedy("Shorten it."));
        }
        if name.trim().is_empty() {
            return Err(Fault::new(Code::ValidationFailed, "the name is empty")
                .rule("name")
                .remedy("Give a name that tells what the key is for."));
        }
        let prefix = if test { KeyPrefix::Test } else { KeyPrefix::Live };
        let asked = KeyRequest { name, prefix, scopes, profile: None };
        let minted = self.accounts.mint_key(asked).await?;
        let mut value = key_value(&minted.key);
        value["key"] = json!(minted.plaintext.expose());
        Ok(value)
    }

    async fn connect(&self, platform: &str, fields: &Value) -> Result<Value, Fault> {
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        let need = |name: &'static str| {
            text(name).filter(|text| !text.is_empty()).ok_or_else(|| {
                Fault::new(Code::ValidationFailed, format!("{name} is missing"))
                    .rule(name)
                    .remedy("`fanfare accounts connect --help` shows what is needed.")
            })
        };
        let Connected { account, created } = match platform.parse::<Platform>() {
            Ok(Platform::Bluesky) => {
                let input = ConnectBluesky {
                    identifier: need("identifier")?,
                    app_password: Secret::new(need("appPassword")?),
                    pds_url: text("pdsUrl"),
                    place: Place::Default,
                };
                self.accounts.connect_bluesky(input).await?
            }
            Ok(Platform::Sandbox) => {
                self.accounts.connect_sandbox(need("name")?, Place::Default).await?
            }
            _ => {
                return Err(Fault::new(
                    Code::PlatformNotEnabled,
                    format!("{platform:?} cannot be connected on the command line"),
                )
                .rule("platform")
                .remedy(
                    "Connect bluesky or sandbox here, and other platforms in a browser: POST \
                     /v1/accounts/connect/:platform gives the address.",
                ));
            }
        };
        let mut value = wire::account_value(&account);
        value["created"] = json!(created);
        Ok(value)
    }

    async fn rule(&self, post: &str, ruling: &str, uri: Option<String>) -> Result<Value, Fault> {
        let id: PostId = post.parse().map_err(|_| unknown("post", post))?;
        let ruling = match ruling {
            "published" => Ruling::Published { uri },
            "failed" => Ruling::Failed,
            other => {
                return Err(Fault::new(Code::ValidationFailed, format!("{other:?} is no ruling"))
                    .rule("ruling")
                    .remedy("Rule `published` or `failed`."));
            }
        };
        match self.engine.change(id, Change::Rule { ruling }, Asking::default()).await {
            Ok(changed) => Ok(batches::show(&changed.batch, &self.catalog)),
            Err(ChangeError::Unknown) => Err(unknown("post", post)),
            Err(ChangeError::Engine(problem)) => Err(busy(&problem)),
            Err(problem) => Err(Fault::new(
                Code::ValidationFailed,
                format!("only a held post can be ruled on: {problem}"),
            )
            .rule("post.status")
            .remedy("`fanfare batch list --held` shows the posts that wait for a ruling.")
            .status(409)),
        }
    }

    fn workflows(&self) -> Value {
        let one = |definition: &Arc<crate::workflow::Definition>| {
            let steps: Vec<&str> = definition.steps.iter().map(|step| step.name.as_str()).collect();
            json!({
                "name": definition.name,
                "platform": definition.platform.as_str(),
                "steps": steps,
                "digest": definition.digest.to_string(),
            })
        };
        json!({ "data": self.catalog.all_current().map(one).collect::<Vec<_>>() })
    }

    async fn health(&self) -> Result<Value, Fault> {
        let health = self.engine.health().await.map_err(|problem| busy(&problem))?;
        Ok(json!({
            "lastTurn": health.last_turn.to_string(),
            "nextTimer": health.next_timer.map(|at| at.to_string()),
            "running": health.running,
            "ready": health.ready,
            "hot": health.hot,
        }))
    }
}

fn key_value(key: &ApiKey) -> Value {
    json!({
        "id": key.id.to_string(),
        "name": key.name,
        "prefix": key.prefix.as_str(),
        "last4": key.last4,
        "scopes": key.scopes,
        "profileId": key.profile.map(|id| id.to_string()),
        "createdAt": key.created_at.to_string(),
        "revokedAt": key.revoked_at.map(|at| at.to_string()),
    })
}

fn unknown(what: &str, id: &str) -> Fault {
    Fault::new(Code::NotFound, format!("there is no {what} {id:?}"))
        .remedy("The matching `list` command shows what there is.")
}

fn unreadable(problem: StoreError) -> Fault {
    Fault::new(Code::InternalError, problem.to_string())
        .rule("store.read")
        .remedy("`fanfare journal verify` names every record that does not hold.")
}

fn busy(problem: &crate::engine::EngineError) -> Fault {
    Fault::new(Code::InternalError, problem.to_string())
        .rule("server.busy")
        .remedy("Try again in a second.")
        .retry_after(1)
}
