//! Backups, for an operator.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::execute::Control;
use super::request::Request;
use super::verify::findings_value;
use crate::backup::{BackupError, Backups, Contents, Keep, Listed, Made, Pruned};
use crate::model::{Code, Fault, Millis, Timestamp};

/// Records read at once: commits wait that long at the most.
const ROWS: usize = 500;

impl Control {
    /// Carries out a request about backups; reading and writing files may take long.
    pub(super) async fn keep_backups(&self, request: Request) -> Result<Value, Fault> {
        let backups = Arc::clone(&self.backups);
        let now = (self.now)();
        let work = move || carry_out(&backups, request, now).map_err(|problem| fault(&problem));
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|problem| {
            let message = format!("the backup broke off: {problem}");
            Err(Fault::new(Code::InternalError, message).rule("backup.failed"))
        })
    }
}

fn carry_out(backups: &Backups, request: Request, now: Timestamp) -> Result<Value, BackupError> {
    match request {
        Request::BackupCreate { to } => {
            backups.create(to.as_deref().map(Path::new), now, ROWS).map(|made| made_value(&made))
        }
        Request::BackupPrune { folder, keep, older_than_ms } => {
            let keep = Keep { copies: keep, younger_than: older_than_ms.map(Millis) };
            let pruned = backups.prune(folder.as_deref().map(Path::new), keep, now)?;
            Ok(pruned_value(&pruned))
        }
        Request::BackupList { folder } => {
            let listed = backups.list(folder.as_deref().map(Path::new))?;
            Ok(json!({ "data": listed.iter().map(listed_value).collect::<Vec<_>>() }))
        }
        other => Err(BackupError::Refused(format!("{other:?} is about no backup"))),
    }
}

fn fault(problem: &BackupError) -> Fault {
    match problem {
        BackupError::Refused(_) | BackupError::Room { .. } => {
            Fault::new(Code::ValidationFailed, problem.to_string()).rule("backup.refused")
        }
        BackupError::File { .. }
        | BackupError::Foreign { .. }
        | BackupError::Damaged { .. }
        | BackupError::TooNew { .. }
        | BackupError::Store(_)
        | BackupError::Media(_)
        | BackupError::Restore(_)
        | BackupError::Findings { .. } => {
            Fault::new(Code::InternalError, problem.to_string()).rule("backup.failed")
        }
    }
}

/// What a sound backup holds, as an operator reads it.
pub fn contents_value(contents: &Contents) -> Value {
    let header = &contents.header;
    json!({
        "since": Timestamp::from_millis(header.created_at_ms).to_string(),
        "instance": header.instance,
        "program": header.program,
        "hasSecretKey": header.has_secret_key,
        "records": contents.rows,
        "files": contents.files,
        "fileBytes": contents.file_bytes,
        "bytes": contents.bytes,
        "findings": findings_value(&contents.missing),
    })
}

fn made_value(made: &Made) -> Value {
    let mut value = contents_value(&made.contents);
    value["path"] = json!(made.path.display().to_string());
    value
}

fn listed_value(listed: &Listed) -> Value {
    json!({
        "path": listed.path.display().to_string(),
        "since": listed.created_at().to_string(),
        "bytes": listed.bytes,
        "own": listed.own,
    })
}

fn pruned_value(pruned: &Pruned) -> Value {
    let paths = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|path| path.display().to_string()).collect()
    };
    let unsound = |(path, problem): &(PathBuf, String)| {
        let path = path.display().to_string();
        json!({ "record": path, "problem": problem })
    };
    json!({
        "removed": paths(&pruned.removed),
        "kept": paths(&pruned.kept),
        "newestSound": pruned.newest_sound.as_ref().map(|path| path.display().to_string()),
        "findings": pruned.unsound.iter().map(unsound).collect::<Vec<_>>(),
    })
}
