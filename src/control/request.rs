//! The requests and answers, as they travel.

use serde::{Deserialize, Serialize};

/// One thing an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Make an API key.
    KeysCreate {
        /// A name for people.
        name: String,
        /// What it may do; empty: read and write posts.
        scopes: Vec<String>,
        /// Whether what it publishes reaches no platform.
        #[serde(default)]
        test: bool,
    },
    /// List the API keys.
    KeysList,
    /// Revoke an API key.
    KeysRevoke {
        /// Its id.
        id: String,
    },
    /// Connect an account.
    AccountsConnect {
        /// The platform.
        platform: String,
        /// What the platform asks for, as the HTTP API takes it.
        fields: serde_json::Value,
    },
    /// List the connected accounts.
    AccountsList,
    /// Remove an account; what is queued for it is canceled.
    AccountsRemove {
        /// Its id.
        id: String,
    },
    /// List batches, newest first.
    BatchList {
        /// How many.
        limit: usize,
        /// Only those that have a post waiting for a ruling.
        held: bool,
    },
    /// Show a batch, by its id or by that of one of its posts.
    BatchShow {
        /// The id.
        id: String,
    },
    /// A batch's journal.
    BatchJournal {
        /// The batch's id or that of one of its posts.
        id: String,
        /// Only entries from this one on.
        from: u32,
    },
    /// Decide what became of a held post.
    BatchRule {
        /// The post.
        post: String,
        /// `published` or `failed`.
        ruling: String,
        /// Where it is, for a published one.
        uri: Option<String>,
    },
    /// Try a post that is not live again.
    BatchRetry {
        /// The post.
        post: String,
        /// Whether it is accepted that the post may be live.
        force: bool,
    },
    /// Make a webhook endpoint.
    WebhooksCreate {
        /// Where events go.
        url: String,
        /// What it wants to hear; empty: everything.
        events: Vec<String>,
    },
    /// List the webhook endpoints.
    WebhooksList,
    /// Remove a webhook endpoint.
    WebhooksRemove {
        /// Its id.
        id: String,
    },
    /// The newest attempts at deliveries to an endpoint.
    WebhooksDeliveries {
        /// The endpoint's id.
        id: String,
    },
    /// Deliver events to an endpoint again.
    WebhooksRedeliver {
        /// The endpoint's id.
        id: String,
        /// The one event; without it, all after the other one.
        event: Option<String>,
        /// The last event that is not wanted.
        after: Option<String>,
    },
    /// Make a profile.
    ProfilesCreate {
        /// Its name.
        name: String,
    },
    /// List the profiles.
    ProfilesList,
    /// Read every record and replay every journal.
    JournalVerify,
    /// Make a backup.
    BackupCreate {
        /// The file, or the folder for it; the usual one if there is none.
        to: Option<String>,
    },
    /// List the backups in a folder.
    BackupList {
        /// The folder; the usual one if there is none.
        folder: Option<String>,
    },
    /// Remove backups of this server that need not be kept.
    BackupPrune {
        /// The folder; the usual one if there is none.
        folder: Option<String>,
        /// How many of the newest are kept.
        keep: Option<usize>,
        /// Those that are younger than this are kept.
        older_than_ms: Option<u64>,
    },
    /// List the workflow definitions in use.
    WorkflowList,
    /// How the server does.
    Health,
}

impl Request {
    /// Whether it is answered from the store alone, and changes nothing anywhere.
    pub const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::KeysList
                | Self::AccountsList
                | Self::BatchList { .. }
                | Self::BatchShow { .. }
                | Self::BatchJournal { .. }
                | Self::WebhooksList
                | Self::WebhooksDeliveries { .. }
                | Self::ProfilesList
                | Self::JournalVerify
                | Self::BackupList { .. }
                | Self::WorkflowList
        )
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was done; this is what came of it.
    Done(serde_json::Value),
    /// It was not, and this says why: the `error` object of the HTTP API.
    Failed(serde_json::Value),
}
