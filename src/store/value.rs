//! How a frame of any size becomes values that sled keeps durably.
//!
//! sled writes batches over about 128 KiB, and pages of large values, to files of its own that it
//! never syncs. So a value stays at or under 4 KiB and a commit under 64 KiB: a longer frame is
//! cut into numbered parts, and what would not fit a commit is *spilled* to a file that is synced
//! before the commit that names it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::StoreError;

/// Bytes of one value at the most.
pub(super) const VALUE_BYTES_MAX: usize = 3_584;
/// Bytes of one sled batch at the most, keys included.
pub(super) const COMMIT_BYTES_MAX: usize = 60 * 1_024;
/// Bytes of one frame at the most: what a record may hold at all.
pub(super) const FRAME_BYTES_MAX: usize = 8 << 20;
/// A frame spilled to a file costs this much in its commit.
const SPILLED_BYTES: usize = 1 + 32;

/// The family of parts: above every key, so that no scan meets one.
const PART_FAMILY: u8 = 0xf0;
/// First byte of a value that is cut into parts. Frames begin with their version, 1.
const PARTED: u8 = 0xfe;
/// First byte of a value whose frame lies in a file.
const SPILLED: u8 = 0xfd;

/// A change to a value in sled.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// How a frame is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// In the value itself.
    Whole,
    /// In this many parts.
    Parts(u16),
    /// In a file of this name.
    Spilled([u8; 32]),
}

impl Shape {
    /// The shape of a stored value.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        match value {
            [PARTED, high, low] => Some(Self::Parts(u16::from_be_bytes([*high, *low]))),
            [SPILLED, name @ ..] => Some(Self::Spilled(name.try_into().ok()?)),
            _ => Some(Self::Whole),
        }
    }
}

/// What one commit comes to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The changes for sled, in order.
    pub changes: Vec<Change>,
    /// Files to write and sync first.
    pub spills: Vec<([u8; 32], Vec<u8>)>,
}

/// Lays out the frames of one commit.
///
/// # Errors
/// `TooLarge` when a frame is larger than any record may be, or the commit has too many.
pub(super) fn plan(frames: Vec<Change>) -> Result<Plan, StoreError> {
    let mut costs: Vec<usize> = frames.iter().map(cost).collect();
    if let Some(largest) = frames.iter().filter_map(|(_, frame)| frame.as_ref()).map(Vec::len).max()
        && largest > FRAME_BYTES_MAX
    {
        return Err(StoreError::TooLarge { bytes: largest, max: FRAME_BYTES_MAX });
    }
    let mut spilled = vec![false; frames.len()];
    while costs.iter().sum::<usize>() > COMMIT_BYTES_MAX {
        let largest = (0..frames.len()).filter(|ix| !spilled[*ix]).max_by_key(|ix| costs[*ix]);
        let Some(largest) = largest.filter(|ix| costs[*ix] > frames[*ix].0.len() + SPILLED_BYTES)
        else {
            let bytes = costs.iter().sum();
            return Err(StoreError::TooLarge { bytes, max: COMMIT_BYTES_MAX });
        };
        spilled[largest] = true;
        costs[largest] = frames[largest].0.len() + SPILLED_BYTES;
    }
    let mut plan = Plan::default();
    for ((key, frame), spill) in frames.into_iter().zip(spilled) {
        match frame {
            None => plan.changes.push((key, None)),
            Some(frame) if spill => {
                let name = spill_name(&key, &frame);
                let mut value = vec![SPILLED];
                value.extend_from_slice(&name);
                plan.changes.push((key, Some(value)));
                plan.spills.push((name, frame));
            }
            Some(frame) if frame.len() > VALUE_BYTES_MAX => cut(key, &frame, &mut plan.changes),
            Some(frame) => plan.changes.push((key, Some(frame))),
        }
    }
    Ok(plan)
}

fn cost((key, frame): &Change) -> usize {
    let parts = frame.as_ref().map_or(0, |frame| frame.len().div_ceil(VALUE_BYTES_MAX));
    let heads = if parts > 1 { (parts + 1) * (key.len() + 3) } else { key.len() };
    heads + frame.as_ref().map_or(0, Vec::len)
}

fn cut(key: Vec<u8>, frame: &[u8], changes: &mut Vec<Change>) {
    let parts = frame.chunks(VALUE_BYTES_MAX);
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
    for (n, part) in (0u16..).zip(parts) {
        changes.push((part_key(&key, n), Some(part.to_vec())));
    }
    let [high, low] = count.to_be_bytes();
    changes.push((key, Some(vec![PARTED, high, low])));
}

/// The key of a part.
pub(super) fn part_key(key: &[u8], n: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 3);
    out.push(PART_FAMILY);
    out.extend_from_slice(key);
    out.extend_from_slice(&n.to_be_bytes());
    out
}

/// Above every key that is no part.
pub(super) const PARTS_BEGIN: [u8; 1] = [PART_FAMILY];

fn spill_name(key: &[u8], frame: &[u8]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(key);
    context.update(frame);
    let mut name = [0; 32];
    name.copy_from_slice(context.finish().as_ref());
    name
}

/// The folder of spilled frames.
#[derive(Debug, Clone)]
pub(super) struct Spills {
    folder: PathBuf,
}

impl Spills {
    /// The folder, made if it is not there.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Writes files durably: each synced, then their folder.
    pub(super) fn write(&self, spills: &[([u8; 32], Vec<u8>)]) -> io::Result<()> {
        for (name, frame) in spills {
            let mut file = File::create(self.path(name))?;
            file.write_all(frame)?;
            file.sync_all()?;
        }
        if spills.is_empty() { Ok(()) } else { sync_folder(&self.folder) }
    }

    /// The bytes of a file.
    pub(super) fn read(&self, name: &[u8; 32]) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    /// Removes a file that nothing names any more; one that stays costs only its space.
    pub(super) fn remove(&self, name: &[u8; 32]) {
        if let Err(problem) = fs::remove_file(self.path(name)) {
            tracing::info!(%problem, "a spilled record stayed behind");
        }
    }

    /// The names of all files.
    pub(super) fn names(&self) -> io::Result<Vec<[u8; 32]>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if let Some(digest) = name.to_str().and_then(|n| n.parse::<crate::model::Digest>().ok())
            {
                names.push(digest.0);
            }
        }
        Ok(names)
    }

    fn path(&self, name: &[u8; 32]) -> PathBuf {
        self.folder.join(crate::model::Digest(*name).to_string())
    }
}

/// Makes the names in a folder survive a power loss.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[usize], parts: usize, spills: usize) {
        let frames = sizes.iter().enumerate().map(|(n, size)| {
            (u32::try_from(n).expect("few").to_be_bytes().to_vec(), Some(vec![1; *size]))
        });
        let plan = plan(frames.collect()).expect("it fits");
        assert_eq!(plan.spills.len(), spills, "{sizes:?}");
        assert_eq!(plan.changes.len() - sizes.len(), parts, "{sizes:?}");
        let bytes: usize =
            plan.changes.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum();
        assert!(bytes <= COMMIT_BYTES_MAX, "{bytes}");
        let largest = plan.changes.iter().filter_map(|(_, v)| v.as_ref()).map(Vec::len).max();
        assert!(largest.unwrap_or(0) <= VALUE_BYTES_MAX);
    }

    #[test]
    fn frames_stay_whole_are_cut_or_spill() {
        check(&[100, 3_584], 0, 0);
        check(&[3_585], 2, 0);
        check(&[50_000], 14, 0);
        check(&[70_000, 100], 0, 1);
        check(&[30_000, 30_000, 30_000], 18, 1);
        check(&[8 << 20], 0, 1);
        let large = vec![(vec![1], Some(vec![1; (8 << 20) + 1]))];
        assert!(matches!(plan(large), Err(StoreError::TooLarge { .. })));
        let many = (0..5_000u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![1; 20])));
        assert!(matches!(plan(many.collect()), Err(StoreError::TooLarge { .. })));
    }
}
