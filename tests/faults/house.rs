//! The house of a plan on a disk: the one that writes it, and the one that looks what is there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare::media::Media;
use fanfare::store::{Key, Order, Sled, Store, StoreError, verify};

use crate::dice::Dice;
use crate::plan::{Plan, Rows, sha256};

/// A house in a folder: the store and the media beside it.
pub struct House {
    pub store: Sled,
    media: Media,
    epoch: u64,
    plan: Plan,
    /// The commits made so far.
    pub made: u64,
}

/// Why a house could not be opened, or went down.
#[derive(Debug)]
pub enum Trouble {
    /// The store or the media said no, in words.
    Refused(String),
    /// What was found is wrong.
    Wrong(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<fanfare::media::MediaError> for Trouble {
    fn from(error: fanfare::media::MediaError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl House {
    /// Opens a house of which `acked` commits were acknowledged, and looks through all of it.
    pub fn open(folder: &Path, plan: Plan, acked: u64) -> Result<Self, Trouble> {
        let store = Sled::open(&folder.join("store"))?;
        let found = verify(&store)?;
        if !found.findings.is_empty() {
            return Err(Trouble::Wrong(format!("verify finds {:?}", found.findings)));
        }
        let made = survived(plan, &rows(&store)?, acked).map_err(Trouble::Wrong)?;
        let count = AtomicU64::new(u64::from(std::process::id()) << 32 | made);
        let dice = Arc::new(move || u128::from(count.fetch_add(1, Ordering::Relaxed)));
        let media = Media::open(folder.join("media"), dice)?;
        for bytes in plan.attachments(made) {
            let path = media.path(&sha256(&bytes));
            if std::fs::read(&path).ok().as_ref() != Some(&bytes) {
                let problem = format!("{}: not the bytes that were kept", path.display());
                return Err(Trouble::Wrong(problem));
            }
        }
        let epoch = store.begin_epoch()?;
        if !store.blobs_empty() {
            return Err(Trouble::Wrong("sled has put something into its blobs".to_owned()));
        }
        Ok(Self { store, media, epoch, plan, made })
    }

    /// Makes the next commit; it is not durable yet.
    pub fn commit(&mut self) -> Result<(), Trouble> {
        if let Some(bytes) = self.plan.attachment(self.made) {
            self.media.put(&bytes)?;
        }
        let writes = self.plan.commit(self.made);
        if !writes.is_empty() {
            self.store.commit(self.epoch, &writes)?;
        }
        self.made += 1;
        Ok(())
    }

    /// Makes `commits` more in groups of every size, each flushed whole and then told.
    pub fn work(&mut self, commits: u64, mut tell: impl FnMut(u64)) -> Result<(), Trouble> {
        let end = self.made + commits;
        let mut dice = Dice::of(self.plan.seed, 9, self.made);
        while self.made < end {
            let group = match dice.below(100) {
                0 => dice.size(300, 1_000),
                1 => dice.size(100, 300),
                2..=9 => dice.size(17, 100),
                10..=39 => dice.size(2, 16),
                _ => 1,
            };
            for _ in 0..u64::try_from(group).expect("small").min(end - self.made) {
                self.commit()?;
            }
            self.store.flush()?;
            tell(self.made);
        }
        Ok(())
    }
}

/// Every record but the store's own.
pub fn rows(store: &dyn Store) -> Result<Rows, StoreError> {
    let found = store.scan_checked(&[], &[0xff], Order::Ascending, usize::MAX)?;
    let rows: Result<BTreeMap<_, _>, _> = found.into_iter().map(|row| row.record).collect();
    let mut rows = rows?;
    rows.remove(&Key::Meta);
    Ok(rows)
}

/// How many commits led to these rows, at least `acked`; or what is wrong with them.
pub fn survived(plan: Plan, rows: &Rows, acked: u64) -> Result<u64, String> {
    let count = Plan::count(rows);
    let wrong = difference(rows, &plan.state(count));
    if !wrong.is_empty() {
        let told: Vec<_> = wrong.iter().take(8).collect();
        let rows = wrong.len();
        return Err(format!("no state of the house, {rows} rows differ from {count}: {told:?}"));
    }
    if count < acked {
        return Err(format!("{count} commits are there, {acked} were acknowledged"));
    }
    Ok(count)
}

fn difference(found: &Rows, expected: &Rows) -> Vec<String> {
    let missing = expected.keys().filter(|key| !found.contains_key(key));
    let mut wrong: Vec<String> = missing.map(|key| format!("{key} is missing")).collect();
    for (key, record) in found {
        match expected.get(key) {
            Some(right) if right == record => {}
            Some(_) => wrong.push(format!("{key} is another")),
            None => wrong.push(format!("{key} should not be there")),
        }
    }
    wrong
}

/// Where a process tells what it has acknowledged.
pub struct Acks(File);

impl Acks {
    pub fn open(path: &Path) -> Self {
        let file = File::options().create(true).append(true).open(path);
        Self(file.expect("a place for marks"))
    }

    /// The place that this process was given.
    pub fn given() -> Self {
        let place = std::env::var_os("FAULT_MARKS").expect("a place for marks");
        Self::open(Path::new(&place))
    }

    pub fn tell(&mut self, made: u64) {
        let line = made.to_le_bytes();
        assert_eq!(self.0.write(&line).expect("room for a mark"), line.len());
    }

    /// The highest that was told into a file.
    pub fn last(path: &Path) -> u64 {
        let bytes = std::fs::read(path).unwrap_or_default();
        let told = bytes.as_chunks().0.iter().map(|eight| u64::from_le_bytes(*eight));
        told.max().unwrap_or(0)
    }
}
