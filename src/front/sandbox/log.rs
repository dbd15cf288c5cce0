//! The landings log: one thread appends, one fsync covers a group, and only then is anyone told.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::index::{Index, Place};
use super::landing::{Draft, Landing};
use crate::model::{Now, Timestamp};

/// Landings that wait for the thread; more would wait for its fsync as well. The callers are
/// attempts of our own engine, so its slots bound them long before.
const QUEUE: usize = 1_024;
/// Landings one fsync covers at the most.
const GROUP: usize = 256;

/// Why the log did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// The disk refused. Nothing landed.
    #[error("{op} the landings log: {problem}")]
    Disk {
        /// What was being done.
        op: &'static str,
        /// What the system said.
        problem: String,
    },
    /// A line before the last holds no landing.
    #[error(
        "read the landings log: line {line} holds no landing: {problem}; \
         restore a backup or move the file away"
    )]
    Corrupt {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The log is closed: the server is stopping.
    #[error("append to the landings log: it is closed")]
    Closed,
}

/// The log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Landings {
    queue: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

/// A page of what landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelinePage {
    /// The landings, newest last, each with whether its post or comment landed more than once.
    pub landings: Vec<(Landing, bool)>,
    /// How many have landed in all.
    pub total: u64,
    /// How many of those landed although the same had landed before.
    pub duplicates: u64,
}

type Ticket = oneshot::Sender<Result<Landing, SandboxError>>;

#[derive(Debug)]
struct Job {
    draft: Draft,
    base: Arc<str>,
    ticket: Ticket,
}

#[derive(Debug)]
struct Shared {
    file: File,
    /// Holds durable landings only.
    index: Mutex<Index>,
}

/// What the appending thread owns.
struct Writer {
    shared: Arc<Shared>,
    now: Now,
    /// The length of the file up to which it is whole and durable.
    length: u64,
    /// Whether a failed append may have left bytes beyond that length.
    untidy: bool,
}

impl Landings {
    /// Opens the log in `dir`, makes it if it is not there, and cuts off a torn last line.
    ///
    /// # Errors
    /// `Disk`, or `Corrupt` when a line before the last holds no landing.
    pub fn open(dir: &Path, now: Now) -> Result<Self, SandboxError> {
        std::fs::create_dir_all(dir).map_err(disk("make the folder of"))?;
        let path = dir.join("landings.log");
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(disk("open"))?;
        // The file's name must survive a power loss as well as its bytes.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(disk("sync the folder of"))?;
        let (index, length) = load(&file)?;
        let shared = Arc::new(Shared { file, index: Mutex::new(index) });
        let (queue, jobs) = mpsc::channel(QUEUE);
        let mut writer = Writer { shared: Arc::clone(&shared), now, length, untidy: false };
        std::thread::Builder::new()
            .name("sandbox-log".into())
            .spawn(move || writer.run(jobs))
            .map_err(disk("start the thread of"))?;
        Ok(Self { queue, shared })
    }

    /// Lets a draft land, durably; gives back the first landing when its key has landed before.
    ///
    /// # Errors
    /// `Disk` or `Closed`: nothing landed.
    pub async fn land(&self, draft: Draft, base: &Arc<str>) -> Result<Landing, SandboxError> {
        let (ticket, answer) = oneshot::channel();
        let job = Job { draft, base: Arc::clone(base), ticket };
        self.queue.send(job).await.map_err(|_| SandboxError::Closed)?;
        answer.await.map_err(|_| SandboxError::Closed)?
    }

    /// Up to `limit` landings numbered above `after`, oldest first. Blocks on the disk.
    ///
    /// # Errors
    /// `Disk` or `Corrupt`.
    pub fn timeline(&self, after: u64, limit: usize) -> Result<TimelinePage, SandboxError> {
        let (places, total, duplicates) = {
            let index = self.shared.index();
            let places: Vec<_> =
                (after.saturating_add(1)..).map_while(|n| index.place(n)).take(limit).collect();
            (places, index.count(), index.duplicates())
        };
        let landings: Vec<_> =
            places.into_iter().map(|place| self.shared.read(place)).collect::<Result<_, _>>()?;
        let index = self.shared.index();
        let landings = landings.into_iter().map(|landing| {
            let duplicate = index.is_duplicate(&landing);
            (landing, duplicate)
        });
        Ok(TimelinePage { landings: landings.collect(), total, duplicates })
    }

    /// The newest landings of an account since an instant, newest last. Blocks on the disk.
    ///
    /// # Errors
    /// `Disk` or `Corrupt`.
    pub fn of_account(
        &self,
        account: &str,
        since: Timestamp,
        max: usize,
    ) -> Result<Vec<Landing>, SandboxError> {
        let places = self.shared.index().of_account(account, since, max);
        places.into_iter().map(|place| self.shared.read(place)).collect()
    }

    /// Landing `n`, if there is one. Blocks on the disk.
    ///
    /// # Errors
    /// `Disk` or `Corrupt`.
    pub fn landing(&self, n: u64) -> Result<Option<Landing>, SandboxError> {
        let place = self.shared.index().place(n);
        place.map(|place| self.shared.read(place)).transpose()
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        // Adding a landing cannot panic half way.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, place: Place) -> Result<Landing, SandboxError> {
        let mut line = vec![0; place.bytes as usize];
        self.file.read_exact_at(&mut line, place.offset).map_err(disk("read"))?;
        serde_json::from_slice(&line).map_err(|error| SandboxError::Disk {
            op: "read",
            problem: format!("at byte {}: {error}", place.offset),
        })
    }
}

impl Writer {
    fn run(&mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP {
                let Ok(job) = jobs.try_recv() else { break };
                group.push(job);
            }
            let mut tickets = Vec::with_capacity(group.len());
            let mut drafts = Vec::with_capacity(group.len());
            for Job { draft, base, ticket } in group {
                tickets.push(ticket);
                drafts.push((draft, base));
            }
            match self.append(drafts) {
                Ok(landings) => {
                    for (ticket, landing) in tickets.into_iter().zip(landings) {
                        // Whoever hung up learns by reading back.
                        let _ = ticket.send(landing);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the sandbox cannot keep what lands");
                    for ticket in tickets {
                        let _ = ticket.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Appends a group and makes it durable; after a failure nothing of it is left in the file.
    fn append(
        &mut self,
        drafts: Vec<(Draft, Arc<str>)>,
    ) -> Result<Vec<Result<Landing, SandboxError>>, SandboxError> {
        let mut bytes = Vec::new();
        let mut fresh: Vec<(Landing, Place)> = Vec::new();
        let mut by_key: BTreeMap<String, Landing> = BTreeMap::new();
        let mut landings = Vec::with_capacity(drafts.len());
        let count = self.shared.index().count();
        for (draft, base) in drafts {
            if let Some(known) = draft.key.as_ref().and_then(|key| self.known(key, &by_key)) {
                landings.push(known);
                continue;
            }
            let n = count + fresh.len() as u64 + 1;
            let landing = Landing::new(draft, n, &base, (self.now)());
            let line = serde_json::to_vec(&landing)
                .map_err(|error| SandboxError::Disk { op: "write", problem: error.to_string() })?;
            let place = Place {
                offset: self.length + bytes.len() as u64,
                bytes: u32::try_from(line.len()).unwrap_or(u32::MAX),
            };
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
            if let Some(key) = &landing.key {
                by_key.insert(key.clone(), landing.clone());
            }
            fresh.push((landing.clone(), place));
            landings.push(Ok(landing));
        }
        self.make_durable(&bytes)?;
        let mut index = self.shared.index();
        for (landing, place) in &fresh {
            index.add(landing, *place);
        }
        Ok(landings)
    }

    fn known(
        &self,
        key: &str,
        group: &BTreeMap<String, Landing>,
    ) -> Option<Result<Landing, SandboxError>> {
        if let Some(landing) = group.get(key) {
            return Some(Ok(landing.clone()));
        }
        let place = self.shared.index().find_key(key)?;
        Some(self.shared.read(place))
    }

    fn make_durable(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.untidy {
            // Half a line in the middle would spoil the file for good.
            self.shared.file.set_len(self.length).map_err(disk("cut"))?;
            self.untidy = false;
        }
        let mut file = &self.shared.file;
        self.untidy = true;
        file.write_all(bytes).and_then(|()| file.sync_data()).map_err(disk("append to"))?;
        self.untidy = false;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Reads the whole log, cuts off a torn last line, and gives the index and the whole length.
fn load(file: &File) -> Result<(Index, u64), SandboxError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut index = Index::default();
    let (mut whole, mut number) = (0_u64, 0_u64);
    let mut line = Vec::new();
    let mut torn: Option<String> = None;
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(disk("read"))?;
        if read == 0 {
            break;
        }
        if let Some(problem) = torn {
            return Err(SandboxError::Corrupt { line: number, problem });
        }
        number += 1;
        torn = match (line.strip_suffix(b"\n"), serde_json::from_slice::<Landing>(&line)) {
            (Some(text), Ok(landing)) => {
                let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
                index.add(&landing, Place { offset: whole, bytes });
                whole += read as u64;
                None
            }
            (None, _) => Some("it has no end".into()),
            (_, Err(error)) => Some(error.to_string()),
        };
    }
    if let Some(problem) = torn {
        tracing::warn!(line = number, %problem, "the last line of the landings log is torn; cut");
        file.set_len(whole).and_then(|()| file.sync_data()).map_err(disk("cut"))?;
    }
    Ok((index, whole))
}

fn disk(op: &'static str) -> impl Fn(std::io::Error) -> SandboxError {
    move |error| SandboxError::Disk { op, problem: error.to_string() }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
