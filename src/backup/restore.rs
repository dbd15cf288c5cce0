//! Restoring, and the deep check: both build the store that a backup holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::build::{Build, Scratch};
use super::read::{Contents, open, read};
use super::{BackupError, with_ending};
use crate::engine::{Core, Doubts, Moment, Options};
use crate::model::{Dice, Millis, Timestamp};
use crate::store::{Audit, Sled, Store, audit, kept_catalog};

/// What came of a deep check: what does not hold is in the audit's findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What the backup holds.
    pub contents: Contents,
    /// What its records and journals told.
    pub audit: Audit,
}

/// Reads a backup, checks every checksum, builds its store in a scratch folder beside it and checks
/// that as `journal verify` does. Blocks.
///
/// # Errors
/// See `BackupError`: `Damaged`, `Foreign` and `TooNew` speak of the backup.
pub fn verify(path: &Path, dice: &Dice) -> Result<Verified, BackupError> {
    open(path)?;
    let scratch = Scratch::make(with_ending(path, &format!(".verify-{:08x}", dice() as u32)))?;
    let mut build = Build::begin(scratch.path(), None)?;
    let contents = read(path, &mut build)?;
    let store = build.finish(contents.header.epoch)?;
    let audit = audit(&store, &kept_catalog(&store)?)?;
    Ok(Verified { contents, audit })
}

/// What is to be restored, and where to.
pub struct Restore<'a> {
    /// The backup.
    pub from: &'a Path,
    /// The data folder; it must not be there, or be empty.
    pub to: &'a Path,
    /// When the server that made the backup stopped; now, if that is not known.
    pub lost_at: Option<Timestamp>,
    /// Whether to go on although records or journals do not hold together.
    pub despite_findings: bool,
    /// The clock.
    pub now: Timestamp,
    /// Chance.
    pub dice: Dice,
    /// How the engine is set.
    pub options: Options,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The data folder.
    pub to: PathBuf,
    /// What the backup held.
    pub contents: Contents,
    /// What its records and journals told.
    pub audit: Audit,
    /// When the server was lost.
    pub lost_at: Timestamp,
    /// How the posts that had not settled go on.
    pub doubts: Doubts,
}

/// Builds a data folder beside the place it is for, checks it, puts in doubt what may have been
/// sent since the backup, and moves it to its place whole. Blocks.
///
/// # Errors
/// See `BackupError`. Then the place is as it was.
pub fn restore(asked: Restore<'_>) -> Result<Restored, BackupError> {
    // Without a slash at its end, so that what is beside it is not in it.
    let to: PathBuf = asked.to.components().collect();
    must_be_free(&to)?;
    let (_, header) = open(asked.from)?;
    let since = Timestamp::from_millis(header.created_at_ms);
    let lost_at = asked.lost_at.unwrap_or(asked.now);
    if lost_at < since || asked.now < lost_at {
        let now = asked.now;
        return Err(BackupError::Refused(format!(
            "restore: the server cannot have been lost at {lost_at}: the backup is of {since}, and \
             now is {now}"
        )));
    }
    let scratch = make_beside(&to)?;
    let mut build = Build::begin(scratch.path(), Some(Arc::clone(&asked.dice)))?;
    let contents = read(asked.from, &mut build)?;
    let store = build.finish(header.epoch)?;
    let catalog = kept_catalog(&store)?;
    let audit = audit(&store, &catalog)?;
    if let Some(first) = audit.report.findings.first().filter(|_| !asked.despite_findings) {
        let first = format!("{}: {}", first.key, first.problem);
        return Err(BackupError::Findings { first, findings: audit.report.findings });
    }
    let doubts = doubt(store, Arc::new(catalog), &asked, (since, lost_at))?;
    scratch.keep_as(&to)?;
    Ok(Restored { to, contents, audit, lost_at, doubts })
}

/// Closes the store when it is done.
fn doubt(
    store: Sled,
    catalog: Arc<crate::workflow::Catalog>,
    asked: &Restore<'_>,
    (since, lost_at): (Timestamp, Timestamp),
) -> Result<Doubts, BackupError> {
    let epoch = store.begin_epoch()?;
    let moment = Moment { at: asked.now, uptime: Millis(0), entropy: (asked.dice)() };
    let store: Arc<dyn Store> = Arc::new(store);
    let mut core = Core::open(store, catalog, asked.options.clone(), epoch, moment)?;
    Ok(core.restore(since, lost_at)?)
}

fn must_be_free(to: &Path) -> Result<(), BackupError> {
    let refuse = |problem: &str| {
        let shown = to.display();
        Err(BackupError::Refused(format!("restore to {shown}: {problem}")))
    };
    if to.file_name().is_none() {
        return refuse("name the folder itself");
    }
    match std::fs::read_dir(to) {
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(problem) => Err(super::file("read", to)(problem)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) if to.join("store").exists() => refuse(
                "there is a store already, and none is ever overwritten; move the folder aside",
            ),
            Some(_) => refuse("the folder is not empty; move it aside or name another"),
        },
    }
}

fn make_beside(to: &Path) -> Result<Scratch, BackupError> {
    let beside = with_ending(to, ".restoring");
    if beside.exists() {
        let shown = beside.display();
        return Err(BackupError::Refused(format!(
            "restore: {shown} is there: another restore is under way or broke off; in the latter \
             case remove it"
        )));
    }
    Scratch::make(beside)
}
