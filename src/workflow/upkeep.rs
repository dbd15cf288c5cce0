//! Upkeep: what is done by the clock and not for any request.

use std::str::FromStr as _;

use serde::Deserialize;

use super::definition::WorkflowError;
use super::parse::Span;
use crate::model::Millis;

/// One upkeep task and when it runs.
#[derive(Debug, Clone)]
pub struct UpkeepDefinition {
    /// The file's name without `.toml`.
    pub name: String,
    /// What is done.
    pub task: UpkeepTask,
    /// When, in UTC.
    pub schedule: cron::Schedule,
    /// Records of one commit.
    pub page: usize,
}

/// What an upkeep task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpkeepTask {
    /// Forgets idempotency keys whose time is over.
    ExpireClaims,
    /// Forgets the journals of batches that settled longer ago than this.
    TrimJournals {
        /// How long they are kept.
        keep: Millis,
    },
    /// Forgets notices older than this, and the log of their deliveries.
    TrimNotices {
        /// How long they are kept.
        keep: Millis,
    },
    /// Renews credentials that end within this, and says so before.
    RefreshCredentials {
        /// How long before their end.
        ahead: Millis,
    },
    /// Removes media files older than this that nobody needs.
    PruneMedia {
        /// How long they are kept at least.
        keep: Millis,
    },
    /// Makes a backup, and removes those that need not be kept.
    Backup {
        /// How many are kept.
        copies: usize,
    },
}

impl UpkeepDefinition {
    /// Whether it makes backups.
    pub const fn is_backup(&self) -> bool {
        matches!(self.task, UpkeepTask::Backup { .. })
    }
}

/// The shortest `keep` of media: longer than any request takes between keeping bytes and naming
/// them.
const MEDIA_KEEP_MIN: Millis = Millis::from_secs(3_600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    task: TaskFile,
    cron: String,
    keep: Option<Span>,
    ahead: Option<Span>,
    copies: Option<usize>,
    page: usize,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum TaskFile {
    ExpireClaims,
    TrimJournals,
    TrimNotices,
    PruneMedia,
    RefreshCredentials,
    Backup,
}

/// The upkeep task that a text states.
///
/// # Errors
/// `WorkflowError` with the file, what is wrong and the remedy.
pub fn parse_upkeep(name: &str, text: &str) -> Result<UpkeepDefinition, WorkflowError> {
    let wrong = |problem: String| WorkflowError { file: format!("{name}.toml"), problem };
    let file: File = toml::from_str(text).map_err(|e| wrong(e.to_string().trim().to_owned()))?;
    let schedule = cron::Schedule::from_str(&file.cron).map_err(|problem| {
        wrong(format!(
            "cron {:?} does not hold: {problem}; write six fields: seconds, minutes, hours, days \
             of month, months, days of week",
            file.cron
        ))
    })?;
    if !(1..=10_000).contains(&file.page) {
        return Err(wrong("page must be 1 to 10000".to_owned()));
    }
    let renews = matches!(file.task, TaskFile::RefreshCredentials);
    if file.ahead.is_some() != renews {
        return Err(wrong(
            "ahead, such as \"5m\", belongs to refresh_credentials alone".to_owned(),
        ));
    }
    let backs_up = matches!(file.task, TaskFile::Backup);
    if file.copies.is_some_and(|copies| copies > 0) != backs_up {
        return Err(wrong(
            "copies, 1 or more, belongs to backup alone; backup.scheduled in config.toml switches \
             it off"
                .to_owned(),
        ));
    }
    let task = match (file.task, file.keep) {
        (TaskFile::Backup, None) => UpkeepTask::Backup { copies: file.copies.unwrap_or(1) },
        (TaskFile::Backup, Some(_)) => {
            return Err(wrong("backup takes no keep; copies says how many are kept".to_owned()));
        }
        (TaskFile::RefreshCredentials, None) => {
            UpkeepTask::RefreshCredentials { ahead: file.ahead.map_or(Millis(0), |span| span.0) }
        }
        (TaskFile::RefreshCredentials, Some(_)) => {
            return Err(wrong("refresh_credentials takes no keep".to_owned()));
        }
        (TaskFile::ExpireClaims, None) => UpkeepTask::ExpireClaims,
        (TaskFile::TrimJournals, Some(keep)) => UpkeepTask::TrimJournals { keep: keep.0 },
        (TaskFile::TrimNotices, Some(keep)) => UpkeepTask::TrimNotices { keep: keep.0 },
        (TaskFile::PruneMedia, Some(keep)) if keep.0 < MEDIA_KEEP_MIN => {
            return Err(wrong(
                "keep must be at least 1h: a request may be about to name a file".into(),
            ));
        }
        (TaskFile::PruneMedia, Some(keep)) => UpkeepTask::PruneMedia { keep: keep.0 },
        (TaskFile::ExpireClaims, Some(_)) => {
            return Err(wrong("expire_claims takes no keep; the window is in config.toml".into()));
        }
        (TaskFile::TrimJournals | TaskFile::TrimNotices | TaskFile::PruneMedia, None) => {
            return Err(wrong("it needs keep, such as keep = \"90d\"".to_owned()));
        }
    };
    Ok(UpkeepDefinition { name: name.to_owned(), task, schedule, page: file.page })
}
