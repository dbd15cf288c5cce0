//! What tests do to a store behind its back.

use std::ops::Bound;
use std::path::Path;

use sled::IVec;

use super::begin::SEALED_FORMAT;
use super::database::Database;
use super::layers::{Entries, Entry, Layer};
use super::spill::SpillFolder;
use super::tree::Tree;
use super::{Sled, merge, page, seal, wal};
use crate::store::pack::{NO_ROWS_FROM, Rows};
use crate::store::{Key, MetaRecord, Order, Record, StoreError, record};

impl Sled {
    /// Bytes of the log that have been written out.
    pub(in crate::store) fn log_bytes(&self) -> i64 {
        self.tree.db.written()
    }

    /// Moves all rows to their places in the tree, and leaves none in the log.
    fn settle(&self) {
        let mut writer = self.writer();
        self.log(&mut writer).expect("a sound disk");
        writer.owed = usize::MAX;
        self.merge(&mut writer, usize::MAX).expect("a sound disk");
        // Once for each file of the log.
        for _ in 0..2 {
            self.begin_merge(&mut writer).expect("a sound disk");
            let seal = writer.seal.expect("it is sealed");
            writer.wal.write(&Layer::default(), seal).expect("a sound disk");
            writer.owed = usize::MAX;
            self.merge(&mut writer, usize::MAX).expect("a sound disk");
        }
    }

    fn change(&self, key: &[u8], row: Option<&[u8]>) {
        self.settle();
        let entry = Entry { row: row.map(IVec::from), fresh: false };
        let rows = Entries::from([(key.to_vec(), entry)]);
        let step = merge::step(&self.tree, &rows, &[], usize::MAX).expect("a sound disk");
        self.tree.put(step.puts).expect("a sound disk");
    }

    /// Puts raw bytes under a raw key, as damage would.
    pub(in crate::store) fn damage(&self, key: &[u8], row: &[u8]) {
        self.change(key, Some(row));
    }

    /// Tears a raw row out.
    pub(in crate::store) fn tear(&self, key: &[u8]) {
        self.change(key, None);
    }

    /// Spoils the page that has the row of `key`.
    pub(in crate::store) fn spoil_page_of(&self, key: &[u8]) {
        self.settle();
        let (name, page) = self.tree.page_of(key).expect("a sound disk").expect("a page");
        let half = &page[..page.len() / 2];
        self.tree.db.insert(page::place(&name), half).expect("a sound disk");
    }

    /// The raw bytes under a raw key.
    pub(in crate::store) fn raw(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.settle();
        self.tree.row(key).expect("a sound disk").map(|row| row.to_vec())
    }

    /// How many raw rows there are, and the bytes of the largest value.
    pub(in crate::store) fn raw_sizes(&self) -> (usize, usize) {
        self.settle();
        let mut rows = 0;
        let count = &mut |_: &[u8], _: &[u8]| {
            rows += 1;
            Ok(true)
        };
        let all = self.tree.visit(Bound::Unbounded, Bound::Unbounded, Order::Ascending, count);
        all.expect("a sound disk");
        let values = self.tree.db.iter().map(|value| value.expect("a sound disk").1.len());
        (rows, values.max().unwrap_or(0))
    }

    /// Lays all rows out as the last format before pages did, its seal among them.
    pub(in crate::store) fn make_older(&self) {
        self.settle();
        let mut batch = sled::Batch::default();
        for value in self.tree.db.iter() {
            let (place, _) = value.expect("a sound disk");
            if place[0] >= NO_ROWS_FROM {
                batch.remove(place);
            }
        }
        let mut seal = self.writer().seal.expect("it is sealed");
        let each = &mut |key: &[u8], row: &[u8]| {
            let mut row = row.to_vec();
            if *key == Key::Meta.encode() {
                seal.take(key, &row);
                let meta = MetaRecord { format: SEALED_FORMAT, epoch: 1 };
                row = record::encode(&Key::Meta, &Record::Meta(meta));
                seal.add(key, &row);
            }
            batch.insert(key, row);
            Ok(true)
        };
        let all = self.tree.visit(Bound::Unbounded, Bound::Unbounded, Order::Ascending, each);
        all.expect("a sound disk");
        batch.insert(&seal::KEY, seal.row());
        self.tree.db.apply_batch(batch).expect("a sound disk");
        for name in wal::NAMES {
            std::fs::remove_file(self.folder.join(name)).expect("ours");
        }
    }

    /// Lays some rows out anew, as a start does that is cut short.
    pub(in crate::store) fn lay_out_partly(folder: &Path, values: usize) {
        let db = Database::open(folder).expect("a sound disk");
        let tree = Tree { db, spill: SpillFolder::open(folder).expect("room") };
        let mut left = values;
        drop(merge::lay_out(&tree, |puts| {
            let made = puts.len().min(left);
            left -= made;
            let whole = made == puts.len();
            tree.put(puts.into_iter().take(made).collect()).expect("a sound disk");
            if whole { Ok(()) } else { Err(StoreError::Still { problem: String::new() }) }
        }));
    }
}
