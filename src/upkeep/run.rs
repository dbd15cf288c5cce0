//! When tasks run.

use std::sync::Arc;

use chrono::TimeZone as _;

use super::media::prune_media;
use super::notices::trim_notices;
use super::tasks::{TaskError, expire_claims, trim_journals};
use crate::accounts::Accounts;
use crate::backup::{Backups, Keep};
use crate::engine::Handle;
use crate::media::Media;
use crate::model::{Digest, Millis, Now, Timestamp};
use crate::store::{Key, Record, Store, UpkeepRecord, Write, aside};
use crate::workflow::{UpkeepDefinition, UpkeepTask};

/// No sleep is longer, so that a stepped clock is noticed.
const LONGEST_SLEEP: Millis = Millis::from_secs(30);
/// Pages of one run at the most; the rest waits for the next time.
const PAGES_MAX: usize = 1_000;

/// How the report of a run begins that did not come to its end.
const BROKE_OFF: &str = "broke off: ";

/// Runs upkeep tasks by their schedules.
pub struct Upkeep {
    /// The store, for reading.
    pub store: Arc<dyn Store>,
    /// The engine, for writing.
    pub engine: Handle,
    /// The accounts whose credentials are renewed.
    pub accounts: Arc<Accounts>,
    /// The files of media.
    pub media: Arc<Media>,
    /// The backups.
    pub backups: Arc<Backups>,
    /// The clock.
    pub now: Now,
    /// The tasks.
    pub tasks: Vec<UpkeepDefinition>,
}

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upkeep({} tasks)", self.tasks.len())
    }
}

impl Upkeep {
    /// Runs until dropped. A task whose time passed while nobody ran it runs at once. A backup may
    /// take long, and nothing else waits for it.
    pub async fn run(self) {
        let (long, short): (Vec<_>, Vec<_>) = self.tasks.iter().partition(|task| task.is_backup());
        tokio::join!(self.run_all(&short), self.run_all(&long));
    }

    async fn run_all(&self, tasks: &[&UpkeepDefinition]) {
        let began = (self.now)();
        self.note_new(tasks, began).await;
        // When each last ran in this process: the store may not have taken a note of it.
        let mut ran: Vec<Option<Timestamp>> = vec![None; tasks.len()];
        loop {
            let now = (self.now)();
            let mut next = now.plus(LONGEST_SLEEP);
            for (task, ran) in tasks.iter().zip(&mut ran) {
                let mut at = match *ran {
                    Some(ran) => next_run(&task.schedule, ran.min(now)),
                    None => due(self.store.as_ref(), task, began, now),
                };
                if at.is_some_and(|at| at <= now) {
                    self.run_task(task, now).await;
                    *ran = Some(now);
                    at = next_run(&task.schedule, now);
                }
                next = at.map_or(next, |at| next.min(at));
            }
            tokio::time::sleep(nap(next, (self.now)()).as_duration()).await;
        }
    }

    /// Notes from when on a task that never ran is waited for. A server that is never up at its
    /// time would else never run it.
    async fn note_new(&self, tasks: &[&UpkeepDefinition], began: Timestamp) {
        for task in tasks {
            let key = key(&task.name);
            if !matches!(self.store.get(&key), Ok(None)) {
                continue;
            }
            let report = "has not run yet".to_owned();
            let record = UpkeepRecord { name: task.name.clone(), ran_at: began, report };
            let writes = vec![Write::Put(key, Record::Upkeep(record))];
            if let Err(problem) = self.engine.write(vec![(key, None)], writes).await {
                tracing::warn!(task = task.name, %problem, "upkeep could not note a new task");
            }
        }
    }

    async fn run_task(&self, task: &UpkeepDefinition, now: Timestamp) {
        let report = match self.pages(task, now).await {
            Ok(count) => {
                tracing::info!(task = task.name, count, "upkeep done");
                format!("{count} records")
            }
            Err(problem) => {
                tracing::warn!(task = task.name, %problem, "upkeep broke off until its next time");
                format!("{BROKE_OFF}{problem}")
            }
        };
        let record = UpkeepRecord { name: task.name.clone(), ran_at: now, report };
        let writes = vec![Write::Put(key(&task.name), Record::Upkeep(record))];
        if let Err(problem) = self.engine.write(Vec::new(), writes).await {
            tracing::warn!(task = task.name, %problem, "upkeep could not note that it ran");
        }
    }

    async fn pages(&self, task: &UpkeepDefinition, now: Timestamp) -> Result<usize, TaskError> {
        let (store, engine) = (&self.store, &self.engine);
        let mut total = 0;
        for _ in 0..PAGES_MAX {
            let count = match task.task {
                UpkeepTask::ExpireClaims => expire_claims(store, engine, now, task.page).await?,
                UpkeepTask::TrimJournals { keep } => {
                    trim_journals(store, engine, now, keep, task.page).await?
                }
                UpkeepTask::TrimNotices { keep } => {
                    trim_notices(store, engine, now, keep, task.page).await?
                }
                UpkeepTask::RefreshCredentials { ahead } => {
                    let renewed = self.accounts.renew_ahead(now.plus(ahead), task.page).await;
                    return renewed.map_err(|fault| TaskError::Accounts(fault.message));
                }
                UpkeepTask::PruneMedia { keep } => return self.prune(now, keep, task.page).await,
                UpkeepTask::Backup { copies } => return self.back_up(now, copies, task.page).await,
            };
            total += count;
            if count < task.page {
                break;
            }
        }
        Ok(total)
    }

    /// Looks at everything in one go: a file is needed or not by all there is.
    async fn prune(&self, now: Timestamp, keep: Millis, page: usize) -> Result<usize, TaskError> {
        let (store, media) = (Arc::clone(&self.store), Arc::clone(&self.media));
        let pruning = move || prune_media(&store, &media, now, keep, page);
        let pruned = aside(pruning).await;
        pruned.unwrap_or_else(|problem| Err(TaskError::Broken(problem.to_string())))
    }
}

impl Upkeep {
    /// Makes a backup, and then removes those that need not be kept: where none can be made, none
    /// goes.
    async fn back_up(
        &self,
        now: Timestamp,
        copies: usize,
        page: usize,
    ) -> Result<usize, TaskError> {
        let backups = Arc::clone(&self.backups);
        let work = move || {
            let made = backups.create(None, now, page)?;
            for missing in &made.contents.missing {
                tracing::warn!(
                    record = missing.key,
                    problem = missing.problem,
                    "not in the backup"
                );
            }
            let keep = Keep { copies: Some(copies), younger_than: None };
            backups.prune(None, keep, now)?;
            Ok(usize::try_from(made.contents.rows).unwrap_or(usize::MAX))
        };
        let made = aside(work).await;
        made.unwrap_or_else(|problem| Err(TaskError::Broken(problem.to_string())))
    }
}

/// How long to sleep towards an instant. The clock may have been set back since that was chosen.
fn nap(next: Timestamp, now: Timestamp) -> Millis {
    next.since(now).clamp(Millis(1), LONGEST_SLEEP)
}

/// When a task is next due; one that never ran, at its first time since a process began with it.
fn due(
    store: &dyn Store,
    task: &UpkeepDefinition,
    began: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let last = match store.get(&key(&task.name)) {
        Ok(Some(Record::Upkeep(record))) => record.ran_at,
        _ => began,
    };
    next_run(&task.schedule, last.min(now))
}

/// The first time of a schedule after an instant, in UTC.
pub fn next_run(schedule: &cron::Schedule, after: Timestamp) -> Option<Timestamp> {
    let after = chrono::Utc.timestamp_millis_opt(after.as_millis()).single()?;
    let next = schedule.after(&after).next()?;
    Some(Timestamp::from_millis(next.timestamp_millis()))
}

/// Why the last run of a task broke off, if it did, and when.
pub fn broke_off(store: &dyn Store, task: &str) -> Option<(Timestamp, String)> {
    match store.get(&key(task)) {
        Ok(Some(Record::Upkeep(record))) => {
            let why = record.report.strip_prefix(BROKE_OFF)?.to_owned();
            Some((record.ran_at, why))
        }
        _ => None,
    }
}

fn key(task: &str) -> Key {
    let hash = ring::digest::digest(&ring::digest::SHA256, task.as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.as_ref());
    Key::Upkeep(Digest(digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;

    #[test]
    fn a_task_that_never_ran_is_due_at_its_first_time_since_the_start() {
        let tasks =
            crate::workflow::load(&Default::default()).expect("the built-in texts hold").upkeep;
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let store = Arc::new(Memory::new());
        let epoch = store.begin_epoch().expect("memory");
        let task = &tasks[0];
        let (began, first) = (at("2026-05-08T12:06:59Z"), at("2026-05-08T12:07:00Z"));
        assert_eq!(due(store.as_ref(), task, began, began), Some(first));
        let woken_late = at("2026-05-08T12:07:00.003Z");
        assert_eq!(
            due(store.as_ref(), task, began, woken_late),
            Some(first),
            "it is due, not put off"
        );
        let ran = UpkeepRecord { name: task.name.clone(), ran_at: woken_late, report: "".into() };
        let note = Write::Put(key(&task.name), Record::Upkeep(ran));
        store.commit(epoch, &[note]).expect("memory");
        let next = Some(at("2026-05-08T13:07:00Z"));
        assert_eq!(due(store.as_ref(), task, began, woken_late), next);
    }

    #[test]
    fn no_nap_is_long_though_the_clock_was_set_back_meanwhile() {
        let at = |ms: i64| Timestamp::from_millis(1_800_000_000_000 + ms);
        for (next, now, expected) in [
            (30_000, 0, 30_000),
            (20_000, 15_000, 5_000),
            (20_000, 20_000, 1),
            (20_000, 90_000, 1),
            (30_000, -3_600_000, 30_000),
        ] {
            assert_eq!(nap(at(next), at(now)), Millis(expected), "{next} {now}");
        }
    }

    #[test]
    fn the_next_time_is_after_the_last() {
        let loaded = crate::workflow::load(&Default::default()).expect("the built-in texts hold");
        let schedule = &loaded.upkeep[0].schedule;
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let next = next_run(schedule, at("2026-05-08T12:06:59Z"));
        assert_eq!(next, Some(at("2026-05-08T12:07:00Z")));
        let next = next_run(schedule, at("2026-05-08T12:07:00Z"));
        assert_eq!(next, Some(at("2026-05-08T13:07:00Z")));
    }
}
