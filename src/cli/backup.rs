//! `fanfare backup verify` and `restore`: they need no server, and ask none.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{Backup, Common};
use super::run::{EXIT_FINDINGS, EXIT_UNAVAILABLE, Errand, Job, complain, print};
use super::show;
use super::{Doors, ServeOptions};
use crate::backup::{BackupError, Restored, Verified};
use crate::control::{Request, audit_value, contents_value};
use crate::model::Timestamp;
use crate::store::StoreError;

/// What is to be done with the file of a backup.
#[derive(Debug, Clone)]
pub(super) enum FileWork {
    /// Check it.
    Verify(PathBuf),
    /// Make a data folder of it.
    Restore(RestoreOptions),
}

/// What `backup restore` was told.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The settings that the restored server will have.
    pub serve: ServeOptions,
    /// The backup.
    pub from: PathBuf,
    /// The data folder to make.
    pub to: PathBuf,
    /// When the server was lost, if that is known.
    pub lost_at: Option<Timestamp>,
    /// Whether to go on although not everything holds together.
    pub despite_findings: bool,
}

/// A data folder that was made, and what the secret key in the environment means for it.
#[derive(Debug, Clone)]
pub struct RestoredHere {
    /// What was restored.
    pub restored: Restored,
    /// Whether the key in the environment is the one of the backup; `None` when there is none.
    pub key_fits: Option<bool>,
}

pub(super) fn errand(backup: Backup) -> Errand {
    let shown = |path: Option<PathBuf>| path.map(|path| absolute(path).display().to_string());
    let ask = |request, common| Errand::Ask(Box::new(Job { request, common, follow: false }));
    match backup {
        Backup::Create { to, common } => ask(Request::BackupCreate { to: shown(to) }, common),
        Backup::List { folder, common } => {
            ask(Request::BackupList { folder: shown(folder) }, common)
        }
        Backup::Prune { keep, older_than, folder, common } => {
            let older_than_ms = older_than.map(|span| span.0);
            ask(Request::BackupPrune { folder: shown(folder), keep, older_than_ms }, common)
        }
        Backup::Verify { file, common } => {
            Errand::File(Box::new(FileWork::Verify(file)), Box::new(common))
        }
        Backup::Restore { file, to, lost_at, despite_findings, common } => {
            let serve = super::options(common.serve.clone());
            let options = RestoreOptions { serve, from: file, to, lost_at, despite_findings };
            Errand::File(Box::new(FileWork::Restore(options)), Box::new(common))
        }
    }
}

/// A running server has another working folder.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// How an answer is shown to people.
type Shown = fn(&Value) -> String;

/// Does it, shows what came of it and gives the exit code.
pub(super) fn run(work: FileWork, common: &Common, doors: &Doors) -> ExitCode {
    let (text, value): (Shown, Value) = match work {
        FileWork::Verify(path) => match (doors.verify_backup)(&path) {
            Ok(verified) => (show::verified, verified_value(&path, &verified)),
            Err(problem) => return failed(&problem, true),
        },
        FileWork::Restore(options) => match (doors.restore_backup)(&options) {
            Ok(restored) => (show::restored, restored_value(&restored)),
            Err(problem) => return failed(&problem, false),
        },
    };
    if common.json {
        print(&format!("{value}\n"));
    } else {
        print(&text(&value));
    }
    let findings = value["findings"].as_array().is_some_and(|all| !all.is_empty());
    if findings { ExitCode::from(EXIT_FINDINGS) } else { ExitCode::SUCCESS }
}

fn failed(problem: &BackupError, verifying: bool) -> ExitCode {
    complain(&format!("fanfare: {problem}"));
    if let BackupError::Findings { findings, .. } = problem {
        findings.iter().for_each(|one| complain(&format!("{}: {}", one.key, one.problem)));
        complain("Restore another backup, or add --despite-findings to go on all the same.");
    }
    match problem {
        BackupError::File { .. } | BackupError::Store(StoreError::Disk { .. }) => {
            ExitCode::from(EXIT_UNAVAILABLE)
        }
        BackupError::Foreign { .. }
        | BackupError::Damaged { .. }
        | BackupError::TooNew { .. }
        | BackupError::Store(_)
            if verifying =>
        {
            ExitCode::from(EXIT_FINDINGS)
        }
        _ => ExitCode::FAILURE,
    }
}

fn both(contents: &Value, audit: &Value) -> Value {
    let lists = [contents, audit].map(|value| value["findings"].as_array().cloned());
    lists.into_iter().flatten().flatten().collect()
}

fn verified_value(path: &std::path::Path, verified: &Verified) -> Value {
    let mut value = contents_value(&verified.contents);
    let audit = audit_value(&verified.audit);
    value["findings"] = both(&value, &audit);
    value["path"] = json!(path.display().to_string());
    for name in ["batches", "entries", "replayed"] {
        value[name] = audit[name].clone();
    }
    value
}

fn restored_value(here: &RestoredHere) -> Value {
    let RestoredHere { restored, key_fits } = here;
    let mut value = contents_value(&restored.contents);
    value["findings"] = both(&value, &audit_value(&restored.audit));
    value["path"] = json!(restored.to.display().to_string());
    value["lostAt"] = json!(restored.lost_at.to_string());
    value["keyFits"] = json!(key_fits);
    let doubts = &restored.doubts;
    value["posts"] = json!({
        "ahead": doubts.ahead,
        "repeated": doubts.repeated,
        "readBack": doubts.read_back,
        "held": doubts.held,
        "ended": doubts.ended,
    });
    value
}
