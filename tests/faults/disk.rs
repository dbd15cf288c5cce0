//! A disk as a power loss finds it: what was flushed is there, of the rest anything may be.
//!
//! Bytes written to a file are certain once the file was flushed after them. Until then each write
//! may be there, or not, or in some of its sectors, whatever became of those before it. A name is
//! certain once its folder was flushed. Until then each making, changing and removing of a name
//! may have happened or not; only the changing of one is never half done.
//!
//! The names of sled's snapshots are certain once any file was flushed after them. When sled opens,
//! it renames its snapshot, flushes no folder, and goes on to write over what only the snapshot
//! tells of; nobody can step in between. On a file system that may keep the later flush of one file
//! and lose the earlier renaming of another, that is a risk; ext4 with its journal and XFS keep
//! their order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::dice::Dice;
use crate::trace::Act;

/// A sector is written whole or not at all.
const SECTOR: usize = 512;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Folder,
}

/// A change of names that no flush has made certain.
#[derive(Debug, Clone)]
struct Naming {
    gone: Option<String>,
    come: Option<(String, Node)>,
}

/// A change of bytes that no flush has made certain.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Arc<[u8]> },
    Truncate { length: usize },
}

#[derive(Debug, Default)]
struct Content {
    certain: Vec<u8>,
    pending: Vec<(usize, Change)>,
}

/// The disk. Paths are as the process named them.
#[derive(Debug, Default)]
pub struct Disk {
    files: Vec<Content>,
    by_inode: BTreeMap<u64, usize>,
    /// The names as a process sees them.
    seen: BTreeMap<String, Node>,
    /// The names as flushed.
    certain: BTreeMap<String, Node>,
    pending: Vec<Naming>,
    /// Counts changes of bytes, to keep their order.
    clock: usize,
    /// Commits acknowledged so far.
    pub told: u64,
}

/// What becomes of everything that is not certain.
#[derive(Debug, Clone, Copy)]
enum Fate {
    AllLost,
    AllKept,
    /// Kept up to a random one, which is torn.
    Prefix,
    /// Each by itself, kept in so many of a hundred cases.
    Each(u64),
}

impl Fate {
    fn roll(dice: &mut Dice) -> Self {
        match dice.below(8) {
            0 => Self::AllLost,
            1 => Self::AllKept,
            2 | 3 => Self::Prefix,
            4 => Self::Each(90),
            5 => Self::Each(10),
            _ => Self::Each(50),
        }
    }
}

impl Disk {
    /// Does what the process did.
    pub fn act(&mut self, act: &Act) {
        match act {
            Act::Write { inode, offset, bytes } => {
                let offset = usize::try_from(*offset).expect("small");
                self.change(*inode, Change::Write { offset, bytes: Arc::clone(bytes) });
            }
            Act::Truncate { inode, length } => {
                let length = usize::try_from(*length).expect("small");
                self.change(*inode, Change::Truncate { length });
            }
            Act::Create { inode, path } => {
                self.files.push(Content::default());
                let file = self.files.len() - 1;
                self.by_inode.insert(*inode, file);
                self.name(None, Some((path.clone(), Node::File(file))));
            }
            Act::Folder { path } => self.name(None, Some((path.clone(), Node::Folder))),
            Act::Rename { from, to } => {
                let node = *self.seen.get(from).expect("what is renamed is there");
                self.name(Some(from.clone()), Some((to.clone(), node)));
            }
            Act::Remove { path } => self.name(Some(path.clone()), None),
            Act::Flush { inode } => {
                self.flush(*inode);
                self.flush_where(|path| {
                    path.rsplit_once('/').is_some_and(|(_, name)| name.starts_with("snap."))
                });
            }
            Act::FlushFolder { path } => self.flush_names(path),
            Act::Told { made } => self.told = self.told.max(*made),
            Act::Refused { letter: b'S', inode } => self.give_up(*inode),
            Act::Refused { .. } => {}
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        let file = *self.by_inode.get(&inode).expect("what is written was made");
        self.clock += 1;
        self.files[file].pending.push((self.clock, change));
    }

    fn name(&mut self, gone: Option<String>, come: Option<(String, Node)>) {
        let naming = Naming { gone, come };
        naming.apply(&mut self.seen);
        self.pending.push(naming);
    }

    fn flush(&mut self, inode: u64) {
        let Some(file) = self.by_inode.get(&inode) else { return };
        let Content { certain, pending } = &mut self.files[*file];
        for (_, change) in pending.drain(..) {
            change.apply(certain);
        }
    }

    /// A flush failed: the system says so once, and what it could not write is as good as lost,
    /// even if a later flush succeeds.
    fn give_up(&mut self, inode: u64) {
        if let Some(file) = self.by_inode.get(&inode) {
            self.files[*file].pending.clear();
        }
    }

    fn flush_names(&mut self, folder: &str) {
        self.flush_where(|path| path.rsplit_once('/').is_some_and(|(parent, _)| parent == folder));
    }

    fn flush_where(&mut self, chosen: impl Fn(&str) -> bool) {
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|naming| {
                let gone = naming.gone.as_deref().is_some_and(&chosen);
                gone || naming.come.as_ref().is_some_and(|(path, _)| chosen(path))
            });
        self.pending = elsewhere;
        for naming in here {
            naming.apply(&mut self.certain);
        }
    }

    /// Lays out beneath `target` what may be found there after a power loss at this moment; `root`
    /// is what `target` stands for. Says what fate things had.
    pub fn lose_power(&self, root: &str, target: &Path, dice: &mut Dice) -> String {
        let (names_fate, bytes_fate) = (Fate::roll(dice), Fate::roll(dice));
        let mut names = self.certain.clone();
        let limit = dice.below(self.pending.len() + 1);
        for (place, naming) in self.pending.iter().enumerate() {
            let kept = match names_fate {
                Fate::AllLost => false,
                Fate::AllKept => true,
                Fate::Prefix => place < limit,
                Fate::Each(percent) => dice.chance(percent),
            };
            if kept {
                naming.apply(&mut names);
            }
        }
        let mut clocks: Vec<usize> =
            self.files.iter().flat_map(|file| &file.pending).map(|(clock, _)| *clock).collect();
        clocks.sort_unstable();
        let torn = clocks.get(dice.below(clocks.len() + 1)).copied().unwrap_or(usize::MAX);
        // A folder comes before what is in it.
        for (path, node) in &names {
            let Some(below) = path.strip_prefix(root).map(|path| path.trim_start_matches('/'))
            else {
                continue;
            };
            let path = target.join(below);
            // What lies in a folder whose own name was lost is lost with it.
            if !path.parent().is_some_and(Path::is_dir) {
                continue;
            }
            match node {
                Node::Folder => std::fs::create_dir(&path).expect("room"),
                Node::File(file) => {
                    let bytes = self.files[*file].after(bytes_fate, torn, dice);
                    std::fs::write(&path, bytes).expect("room");
                }
            }
        }
        format!(
            "{} names pending ({names_fate:?}), {} writes pending ({bytes_fate:?})",
            self.pending.len(),
            clocks.len()
        )
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((path, node)) = &self.come {
            names.insert(path.clone(), *node);
        }
    }
}

impl Content {
    fn after(&self, fate: Fate, torn: usize, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.certain.clone();
        for (clock, change) in &self.pending {
            match fate {
                Fate::AllLost => {}
                Fate::AllKept => change.apply(&mut bytes),
                Fate::Prefix if *clock < torn => change.apply(&mut bytes),
                Fate::Prefix if *clock == torn => change.tear(&mut bytes, dice),
                Fate::Prefix => {}
                Fate::Each(percent) => {
                    if dice.chance(percent) {
                        change.apply(&mut bytes);
                    } else if dice.chance(50) {
                        change.tear(&mut bytes, dice);
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes: written } => {
                let end = offset + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(written);
            }
            Self::Truncate { length } => bytes.resize(*length, 0),
        }
    }

    /// Does it in some sectors only, though the file may have got its new length all the same.
    fn tear(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let Self::Write { offset, bytes: written } = self else { return };
        if dice.chance(50) {
            bytes.resize(bytes.len().max(offset + written.len()), 0);
        }
        let percent = [0, 20, 50, 80][dice.below(4)];
        let mut at = 0;
        while at < written.len() {
            let end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
            let end = end.min(written.len());
            if dice.chance(percent) {
                let sector = Self::Write { offset: offset + at, bytes: written[at..end].into() };
                sector.apply(bytes);
            }
            at = end;
        }
    }
}
