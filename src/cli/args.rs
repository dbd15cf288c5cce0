//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::{Millis, Timestamp};
use crate::selftest::checked_span;
use crate::workflow::parse_span;

const EXAMPLES: &str = "\
Examples:
  fanfare                                  start the server with config.toml
  fanfare --listen 127.0.0.1:0             start it on a free port
  fanfare keys create --name ci            make an API key
  fanfare batch list --held                what waits for your decision
  fanfare batch journal post_01… --follow  watch a post
  fanfare batch rule post_01… published    say that it is live
  fanfare journal verify                   read and replay everything
  fanfare backup create                    make a backup, while the server runs
  fanfare selftest --torture 60s           kill a server of its own, and count what lands

While a server runs on the data folder, commands go to it through control.sock in that folder;
otherwise they open the store themselves.

Exit codes:
  0   done
  1   refused, or not started: the message names the rule and the remedy
  2   the command line is not well formed
  3   there is no such batch, post, key or account
  4   verify, check or selftest found something that does not hold
  69  the store cannot be opened, or the server cannot be asked
  70  the disk or the store failed; the server stops rather than run ahead of it
  78  a setting or a workflow definition is wrong";

const RESTORING: &str = "\
What was due between the backup and the time the server was lost may have been sent. It is sent
again only where the platform knows it by its key; it is read back where that can be done; else it
is held, and `fanfare batch list --held` shows it. Never run two servers of one backup.

Example:
  fanfare backup restore fanfare-2026-12-01T02-30-00.000Z.backup --to data \\
    --lost-at 2026-12-01T18:00:00Z";

const TORTURING: &str = "\
The server that is tortured is a second one, with a folder, a port and sandbox accounts of its own:
yours may go on running, and nothing of yours is opened. What lands is counted by this process,
which nobody kills. The folder is removed unless something was found; then it is kept and named.

Example:
  fanfare selftest --torture 60s";

/// The program's command line.
#[derive(Debug, Parser)]
#[command(
    name = "fanfare",
    version,
    about = "Publishes to your social accounts: never twice, and never nothing",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Which settings to use; every command takes them.
#[derive(Debug, Clone, Args)]
pub(super) struct ServeArgs {
    /// The settings file; without it config.toml is read if it is there
    #[arg(long, value_name = "FILE", env = "FANFARE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where to listen, such as 127.0.0.1:3000; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The folder of everything that must survive
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// Any setting, such as --set server.connections_max=100; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// End when standard input ends: for a server that another process looks after
    #[arg(long, hide = true)]
    pub leashed: bool,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// How to find the data and how to show the answer.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start the server (this is what happens without a command)
    Serve(ServeArgs),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(Keys),
    /// Connect, list and remove accounts
    #[command(subcommand)]
    Accounts(Accounts),
    /// Make and list profiles, which group accounts
    #[command(subcommand)]
    Profiles(Profiles),
    /// Look at batches and put them right
    #[command(subcommand)]
    Batch(Batch),
    /// Make, list and remove webhook endpoints, and see what arrived
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Check what is stored
    #[command(subcommand)]
    Journal(Journal),
    /// Make, check, restore and prune backups
    #[command(subcommand)]
    Backup(Backup),
    /// Look at workflow definitions
    #[command(subcommand)]
    Workflow(Workflow),
    /// Prove on this machine and its disk that nothing is lost and nothing doubled
    #[command(after_help = TORTURING)]
    Selftest(Selftest),
}

#[derive(Debug, Args)]
pub(super) struct Selftest {
    /// How long to kill and stop a server while 16 clients publish, such as 60s; from 5s to 1h
    #[arg(long, value_name = "SPAN", value_parser = torture_span)]
    pub torture: Millis,
    /// Where a folder for it is made; without it in the data folder, and so on the same disk
    #[arg(long = "in", value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The seed of an earlier run: the same requests and blows again
    #[arg(long)]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub common: Common,
}

fn torture_span(text: &str) -> Result<Millis, String> {
    checked_span(parse_span(text)?).map_err(|problem| problem.to_string())
}

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a key; it is shown once
    #[command(after_help = "Example:\n  fanfare keys create --name ci --scope posts:read")]
    Create {
        /// A name for people
        #[arg(long)]
        name: String,
        /// What it may do: posts:read, posts:write, admin; without any, the first two
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A test key: what it publishes is checked like any post and reaches no platform
        #[arg(long)]
        test: bool,
        #[command(flatten)]
        common: Common,
    },
    /// List the keys, without their secrets
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Revoke a key; it opens nothing from then on
    Revoke {
        /// The key's id
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Accounts {
    /// Connect an account
    #[command(subcommand)]
    Connect(Connect),
    /// List the connected accounts
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Remove an account; what is queued for it is canceled
    Remove {
        /// The account's id
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Connect {
    /// Connect a Bluesky account (or one on any other PDS) with an app password
    #[command(after_help = "Example:\n  FANFARE_APP_PASSWORD=abcd-efgh-ijkl-mnop \\\n    \
        fanfare accounts connect bluesky --identifier me.bsky.social")]
    Bluesky {
        /// The handle or DID
        #[arg(long)]
        identifier: String,
        /// The app password; better given in the environment than typed
        #[arg(long, env = "FANFARE_APP_PASSWORD", hide_env_values = true)]
        app_password: String,
        /// The PDS, if it is not https://bsky.social
        #[arg(long)]
        pds_url: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Connect another sandbox account
    Sandbox {
        /// Its name
        #[arg(long)]
        name: String,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Batch {
    /// List batches, newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Only those with a post that waits for your ruling
        #[arg(long)]
        held: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Show where each post of a batch stands
    Show {
        /// The id of the batch or of one of its posts
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Tell what happened to a batch
    Journal {
        /// The id of the batch or of one of its posts
        id: String,
        /// Go on until the batch has settled
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Try a post that failed, was rejected or was canceled again
    Retry {
        /// The post
        post: String,
        /// Even if it may be live already
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Decide what became of a held post
    #[command(after_help = "Example:\n  fanfare batch rule post_01… published --uri at://…")]
    Rule {
        /// The post
        post: String,
        /// What became of it
        ruling: RulingArg,
        /// Where it is, if it is published
        #[arg(long)]
        uri: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Profiles {
    /// Make a profile
    Create {
        /// Its name
        #[arg(long)]
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// List the profiles
    List {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Webhooks {
    /// Make an endpoint; its signing secret is shown once
    #[command(
        after_help = "Example:\n  fanfare webhooks create --url https://example.com/hook \\\n    \
        --event post.published --event post.failed"
    )]
    Create {
        /// Where events go
        #[arg(long)]
        url: String,
        /// What it wants to hear; without any, everything
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List the endpoints and how they do
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Remove an endpoint
    Remove {
        /// The endpoint's id
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Show the newest attempts at deliveries to an endpoint
    Deliveries {
        /// The endpoint's id
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Deliver events again: one, or all after another one
    Redeliver {
        /// The endpoint's id
        id: String,
        /// The event
        #[arg(long, value_name = "EVENT_ID", required_unless_present = "after")]
        event: Option<String>,
        /// The last event that is not wanted
        #[arg(long, value_name = "EVENT_ID", conflicts_with = "event")]
        after: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Be an endpoint: print every event that is delivered here
    Listen {
        /// Where to listen; port 0 picks a free one
        #[arg(long, default_value = "127.0.0.1:8001")]
        address: std::net::SocketAddr,
        /// The endpoint's signing secret, to check signatures with
        #[arg(long, env = "FANFARE_WEBHOOK_SECRET", hide_env_values = true)]
        secret: Option<String>,
        /// The status to answer with: 500 to see deliveries tried again
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..600))]
        answer: u16,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RulingArg {
    /// It is live
    Published,
    /// It is not live
    Failed,
}

#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    /// Read every record and tell every journal again
    Verify {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Make a backup, while the server runs or not; it holds every secret of the data folder
    Create {
        /// The file, or a folder for it; without it the folder of [backup] in config.toml
        #[arg(long, value_name = "PATH")]
        to: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// Read a backup from end to end and check it as `journal verify` checks a store
    Verify {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Make a data folder of a backup; none is ever overwritten
    #[command(after_help = RESTORING)]
    Restore {
        /// The backup
        file: PathBuf,
        /// The data folder to make; it must not be there, or be empty
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// When the server the backup was made by stopped; rather too late than too early. Without
        /// it: now
        #[arg(long, value_name = "TIME", value_parser = instant)]
        lost_at: Option<Timestamp>,
        /// Go on although records or journals in the backup do not hold together
        #[arg(long)]
        despite_findings: bool,
        #[command(flatten)]
        common: Common,
    },
    /// List the backups in a folder, newest first
    List {
        /// The folder; without it that of [backup] in config.toml
        #[arg(long = "in", value_name = "FOLDER")]
        folder: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// Remove backups of this server; the newest that is sound always stays
    Prune {
        /// Keep this many of the newest
        #[arg(long, value_name = "COUNT", required_unless_present = "older_than")]
        keep: Option<usize>,
        /// Keep those that are younger, such as 30d
        #[arg(long, value_name = "SPAN", value_parser = parse_span)]
        older_than: Option<Millis>,
        /// The folder; without it that of [backup] in config.toml
        #[arg(long = "in", value_name = "FOLDER")]
        folder: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
}

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse::<Timestamp>().map_err(|problem| problem.to_string())
}

#[derive(Debug, Subcommand)]
pub(super) enum Workflow {
    /// List the definitions that new posts follow
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Check definitions: the built-in ones with the overrides, or the files named
    Check {
        /// Files to check as if they lay in the workflows folder
        files: Vec<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
}
