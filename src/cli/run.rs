//! Carrying out a command: through the server that runs, or on the store when none does.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::args::{
    Accounts, Batch, Command, Common, Connect, Journal, Keys, Profiles, RulingArg, ServeArgs,
    Webhooks, Workflow,
};
use super::backup::{self, FileWork};
use super::show::{refusal, show};
use super::{ListenOptions, Local, Offline, SelftestOptions, ServeOptions};
use crate::control::{Answer, Control, Request, SocketError, ask, follow};
use crate::model::Secret;
use crate::platforms::{Registry, registry};
use crate::workflow;

const EXIT_REFUSED: u8 = 1;
const EXIT_NOT_FOUND: u8 = 3;
pub(super) const EXIT_FINDINGS: u8 = 4;
pub(super) const EXIT_UNAVAILABLE: u8 = 69;

/// What a command asks, and how it is shown.
pub(super) struct Job {
    pub request: Request,
    pub common: Common,
    pub follow: bool,
}

/// What a command comes to.
pub(super) enum Errand {
    /// Ask the server, or the store.
    Ask(Box<Job>),
    /// Check these definitions, or all in use.
    Check(Vec<std::path::PathBuf>, Box<Common>),
    /// Look into the file of a backup.
    File(Box<FileWork>, Box<Common>),
    /// Torture a server.
    Selftest(SelftestOptions, Box<Common>),
    /// Run the server.
    Serve(Box<ServeArgs>),
    /// Hear webhooks.
    Listen(ListenOptions),
}

/// What a command comes to.
pub(super) fn errand(command: Command) -> Errand {
    let plain = |request, common| Errand::Ask(Box::new(Job { request, common, follow: false }));
    match command {
        Command::Keys(Keys::Create { name, scopes, test, common }) => {
            plain(Request::KeysCreate { name, scopes, test }, common)
        }
        Command::Keys(Keys::List { common }) => plain(Request::KeysList, common),
        Command::Keys(Keys::Revoke { id, common }) => plain(Request::KeysRevoke { id }, common),
        Command::Accounts(Accounts::Connect(connect)) => {
            let (request, common) = connecting(connect);
            plain(request, common)
        }
        Command::Accounts(Accounts::List { common }) => plain(Request::AccountsList, common),
        Command::Accounts(Accounts::Remove { id, common }) => {
            plain(Request::AccountsRemove { id }, common)
        }
        Command::Batch(Batch::List { limit, held, common }) => {
            plain(Request::BatchList { limit, held }, common)
        }
        Command::Batch(Batch::Show { id, common }) => plain(Request::BatchShow { id }, common),
        Command::Batch(Batch::Journal { id, follow, common }) => {
            let request = Request::BatchJournal { id, from: 0 };
            Errand::Ask(Box::new(Job { request, common, follow }))
        }
        Command::Batch(Batch::Rule { post, ruling, uri, common }) => {
            let ruling = match ruling {
                RulingArg::Published => "published",
                RulingArg::Failed => "failed",
            };
            plain(Request::BatchRule { post, ruling: ruling.to_owned(), uri }, common)
        }
        Command::Batch(Batch::Retry { post, force, common }) => {
            plain(Request::BatchRetry { post, force }, common)
        }
        Command::Profiles(Profiles::Create { name, common }) => {
            plain(Request::ProfilesCreate { name }, common)
        }
        Command::Profiles(Profiles::List { common }) => plain(Request::ProfilesList, common),
        Command::Webhooks(webhooks) => hooks(webhooks),
        Command::Journal(Journal::Verify { common }) => plain(Request::JournalVerify, common),
        Command::Backup(backup) => backup::errand(backup),
        Command::Workflow(Workflow::List { common }) => plain(Request::WorkflowList, common),
        Command::Workflow(Workflow::Check { files, common }) => {
            Errand::Check(files, Box::new(common))
        }
        Command::Selftest(wanted) => {
            let (folder, span, seed) = (wanted.folder, wanted.torture, wanted.seed);
            Errand::Selftest(SelftestOptions { folder, span, seed }, Box::new(wanted.common))
        }
        Command::Serve(serve) => Errand::Serve(Box::new(serve)),
    }
}

fn hooks(webhooks: Webhooks) -> Errand {
    let (request, common) = match webhooks {
        Webhooks::Create { url, events, common } => {
            (Request::WebhooksCreate { url, events }, common)
        }
        Webhooks::List { common } => (Request::WebhooksList, common),
        Webhooks::Remove { id, common } => (Request::WebhooksRemove { id }, common),
        Webhooks::Deliveries { id, common } => (Request::WebhooksDeliveries { id }, common),
        Webhooks::Redeliver { id, event, after, common } => {
            (Request::WebhooksRedeliver { id, event, after }, common)
        }
        Webhooks::Listen { address, secret, answer } => {
            let secret = secret.map(Secret::new);
            return Errand::Listen(ListenOptions { address, secret, answer });
        }
    };
    Errand::Ask(Box::new(Job { request, common, follow: false }))
}

fn connecting(connect: Connect) -> (Request, Common) {
    let (platform, fields, common) = match connect {
        Connect::Bluesky { identifier, app_password, pds_url, common } => {
            let mut fields = json!({ "identifier": identifier, "appPassword": app_password });
            if let Some(url) = pds_url {
                fields["pdsUrl"] = json!(url);
            }
            ("bluesky", fields, common)
        }
        Connect::Sandbox { name, common } => ("sandbox", json!({ "name": name }), common),
    };
    (Request::AccountsConnect { platform: platform.to_owned(), fields }, common)
}

/// Asks, shows the answer and gives the exit code.
pub(super) fn run(job: Job, data_dir: &Path, options: &ServeOptions, offline: Offline) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return unavailable(&problem),
    };
    let socket = data_dir.join("control.sock");
    if job.follow {
        return match runtime.block_on(following(&job, &socket)) {
            Err(SocketError::NoServer) => once(&job, &runtime, &socket, options, offline),
            Err(problem) => unavailable(&problem),
            Ok(code) => code,
        };
    }
    once(&job, &runtime, &socket, options, offline)
}

fn once(
    job: &Job,
    runtime: &tokio::runtime::Runtime,
    socket: &Path,
    options: &ServeOptions,
    offline: Offline,
) -> ExitCode {
    let answer = match runtime.block_on(ask(socket, &job.request)) {
        Err(SocketError::NoServer) => match runtime.block_on(offline(options)) {
            Ok(Local { unsound: Some(problem), .. }) if !job.request.only_reads() => {
                return unavailable(&problem);
            }
            Ok(local) => runtime.block_on(locally(local, job.request.clone())),
            Err(problem) => return unavailable(&problem),
        },
        Err(problem) => return unavailable(&problem),
        Ok(answer) => answer,
    };
    tell(job, &answer)
}

async fn locally(local: Local, request: Request) -> Answer {
    let control: Arc<Control> = local.control;
    let answer = control.execute(request).await;
    if local.unsound.is_some() {
        return answer;
    }
    // What was changed is durable before anything is shown.
    if let Err(problem) = control.engine.drain().await {
        return control.not_understood(&problem.to_string());
    }
    answer
}

async fn following(job: &Job, socket: &Path) -> Result<ExitCode, SocketError> {
    let Request::BatchJournal { id, .. } = &job.request else { return Ok(ExitCode::SUCCESS) };
    let id = id.clone();
    let mut code = ExitCode::SUCCESS;
    let mut next = 0;
    follow(socket, job.request.clone(), |answer| {
        let done = match &answer {
            Answer::Done(value) => {
                let entries = value["data"].as_array().map_or(0, Vec::len);
                next += u32::try_from(entries).unwrap_or(0);
                if entries > 0 {
                    code = tell(job, &answer);
                }
                value["settled"] == true && entries == 0
            }
            Answer::Failed(_) => {
                code = tell(job, &answer);
                true
            }
        };
        (!done).then(|| Request::BatchJournal { id: id.clone(), from: next })
    })
    .await?;
    Ok(code)
}

fn tell(job: &Job, answer: &Answer) -> ExitCode {
    match answer {
        Answer::Done(value) => {
            if job.common.json {
                print(&format!("{value}\n"));
            } else {
                print(&show(&job.request, value));
            }
            let findings = value["findings"].as_array().is_some_and(|all| !all.is_empty());
            if findings { ExitCode::from(EXIT_FINDINGS) } else { ExitCode::SUCCESS }
        }
        Answer::Failed(error) => {
            if job.common.json {
                print(&format!("{}\n", json!({ "error": error })));
            }
            complain(&refusal(error));
            match error["code"].as_str() {
                Some("not_found") => ExitCode::from(EXIT_NOT_FOUND),
                _ => ExitCode::from(EXIT_REFUSED),
            }
        }
    }
}

/// Checks definitions: the files named, or all that are in use.
pub(super) fn check(files: &[std::path::PathBuf], overrides: &Path, as_json: bool) -> ExitCode {
    let registry = registry();
    let mut problems: Vec<String> = Vec::new();
    let mut checked: Vec<String> = Vec::new();
    let named: Vec<(String, Result<String, String>)> = if files.is_empty() {
        in_use(overrides)
    } else {
        files.iter().map(|path| (stem(path), read(path))).collect()
    };
    for (name, text) in named {
        match text.and_then(|text| one(&registry, &name, &text)) {
            Ok(()) => checked.push(name),
            Err(problem) => problems.push(problem),
        }
    }
    if as_json {
        print(&format!("{}\n", json!({ "checked": checked, "problems": problems })));
    } else {
        checked.iter().for_each(|name| print(&format!("{name}: holds\n")));
    }
    problems.iter().for_each(|problem| complain(problem));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FINDINGS) }
}

fn in_use(overrides: &Path) -> Vec<(String, Result<String, String>)> {
    let folders = [
        ("publish", &workflow::PUBLISH[..]),
        ("upkeep", &workflow::UPKEEP[..]),
        ("deliver", &workflow::DELIVER[..]),
    ];
    let mut out = Vec::new();
    for (folder, built_in) in folders {
        for (name, text) in built_in {
            let file = overrides.join(folder).join(format!("{name}.toml"));
            let text = if file.exists() { read(&file) } else { Ok((*text).to_owned()) };
            out.push(((*name).to_owned(), text));
        }
    }
    out
}

fn one(registry: &Registry, name: &str, text: &str) -> Result<(), String> {
    if workflow::DELIVER.iter().any(|(known, _)| *known == name) {
        return workflow::parse_deliver(name, text).map(drop).map_err(|e| e.to_string());
    }
    if workflow::UPKEEP.iter().any(|(known, _)| *known == name) {
        return workflow::parse_upkeep(name, text).map(drop).map_err(|e| e.to_string());
    }
    let definition = workflow::parse(name, text).map_err(|e| e.to_string())?;
    match registry.get(&definition.platform) {
        Some(codec) => workflow::check_steps(&definition, codec.steps()).map_err(|e| e.to_string()),
        None => Err(format!("{name}.toml: {} is not built yet", definition.platform)),
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|problem| format!("{}: {problem}", path.display()))
}

pub(super) fn unavailable(problem: &dyn std::fmt::Display) -> ExitCode {
    complain(&format!("fanfare: {problem}"));
    ExitCode::from(EXIT_UNAVAILABLE)
}

/// One text on standard output. A reader that went away is no reason to fail.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
