//! What the shim recorded: everything a process did to the files of a folder, in order.

use std::path::Path;
use std::sync::Arc;

/// One thing that was done.
#[derive(Debug, Clone)]
pub enum Act {
    /// Bytes went into a file.
    Write { inode: u64, offset: u64, bytes: Arc<[u8]> },
    /// A file was cut or stretched.
    Truncate { inode: u64, length: u64 },
    /// A file came to be.
    Create { inode: u64, path: String },
    /// A folder came to be.
    Folder { path: String },
    /// A name was changed; what had the new name lost it.
    Rename { from: String, to: String },
    /// A name went.
    Remove { path: String },
    /// A file was flushed.
    Flush { inode: u64 },
    /// The names in a folder were flushed.
    FlushFolder { path: String },
    /// The process told how many commits it had acknowledged.
    Told { made: u64 },
    /// A call was refused: its letter, and the inode it was about.
    Refused { letter: u8, inode: u64 },
}

/// Reads a trace.
pub fn read(path: &Path) -> Vec<Act> {
    read_with_ends(path).into_iter().map(|(_, act)| act).collect()
}

/// Reads a trace, and where in the file each record ends.
pub fn read_with_ends(path: &Path) -> Vec<(u64, Act)> {
    let bytes = std::fs::read(path).expect("a trace");
    let mut rest = bytes.as_slice();
    let mut acts = Vec::new();
    // A process that was killed may leave half a record.
    while let Some((head, after)) = rest.split_first_chunk::<25>() {
        let number =
            |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (inode, offset, length) = (number(1), number(9), number(17));
        let Some((data, after)) = after.split_at_checked(usize::try_from(length).expect("small"))
        else {
            break;
        };
        rest = after;
        let end = (bytes.len() - rest.len()) as u64;
        let text = || String::from_utf8(data.to_vec()).expect("names of ours are plain");
        let act = match head[0] {
            b'W' => Act::Write { inode, offset, bytes: data.into() },
            b'T' => Act::Truncate { inode, length: offset },
            b'C' => Act::Create { inode, path: text() },
            b'D' => Act::Folder { path: text() },
            b'R' => {
                let both = text();
                let (from, to) = both.split_once('\0').expect("two names");
                Act::Rename { from: from.to_owned(), to: to.to_owned() }
            }
            b'U' => Act::Remove { path: text() },
            b'S' => Act::Flush { inode },
            b'F' => Act::FlushFolder { path: text() },
            b'M' => Act::Told { made: u64::from_le_bytes(data.try_into().expect("one number")) },
            b'X' => Act::Refused { letter: data[0], inode },
            other => panic!("no such record: {other}"),
        };
        acts.push((end, act));
    }
    acts
}

impl Act {
    /// It in a line, for who looks for the reason of a failure.
    pub fn words(&self) -> String {
        match self {
            Self::Write { inode, offset, bytes } => {
                format!("write {inode} {offset} {}", bytes.len())
            }
            other => format!("{other:?}"),
        }
    }
}
