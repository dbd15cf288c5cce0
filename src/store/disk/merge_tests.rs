//! Steps of a merge that a crash leaves half done, and what is then read.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;
use sled::IVec;

use super::database::Database;
use super::layers::{Entry, Layer, Layers, View};
use super::merge::{self, Put};
use super::page;
use super::spill::SpillFolder;
use super::tree::Tree;
use crate::store::pack::Rows;
use crate::store::{Order, key};

/// Few keys, so that rows come and go.
const KEYS: u8 = 14;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// What becomes of some rows, and how many values each try to merge it puts before it is cut off.
#[derive(Debug, Clone)]
struct Round {
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    cuts: Vec<usize>,
}

fn any_round() -> impl Strategy<Value = Round> {
    // Some rows fill a page.
    let key = (0..2_usize, 0_u8..KEYS).prop_map(|(n, key)| vec![key::PAGED[n], key / 7, key]);
    let row = (any::<u8>(), prop_oneof![Just(30_usize), Just(400), Just(1_600)]);
    let row = prop::option::weighted(0.6, row.prop_map(|(byte, len)| vec![byte; len]));
    let cuts = prop::collection::vec(0..8_usize, 0..3);
    (prop::collection::btree_map(key, row, 1..9), cuts)
        .prop_map(|(changes, cuts)| Round { changes, cuts })
}

fn open() -> (tempfile::TempDir, Tree) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let db = Database::open(folder.path()).expect("a sound disk");
    let spill = SpillFolder::open(folder.path()).expect("room");
    (folder, Tree { db, spill })
}

/// All steps of merging a layer, as they would be made one after the other; only the first `count`
/// values are put.
fn merge(tree: &Tree, old: &Layer, count: usize) {
    let mut from = Vec::new();
    let mut left = count;
    while left > 0 {
        // Small steps, so that there are some.
        let step = merge::step(tree, old.rows(), &from, 3_000).expect("a sound disk");
        let puts: Vec<Put> = step.puts.into_iter().take(left).collect();
        left -= puts.len();
        tree.put(puts).expect("a sound disk");
        let Some(next) = step.next else { return };
        from = next;
    }
}

fn entry(row: Option<&Vec<u8>>) -> Entry {
    Entry { row: row.map(|row| IVec::from(row.as_slice())), fresh: false }
}

fn read(rows: &impl Rows, order: Order) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    let each = &mut |key: &[u8], row: &[u8]| {
        all.push((key.to_vec(), row.to_vec()));
        Ok(true)
    };
    rows.visit(Bound::Unbounded, Bound::Unbounded, order, each).expect("a sound disk");
    all
}

fn shows(rows: &impl Rows, expected: &Map) -> Result<(), TestCaseError> {
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = expected.clone().into_iter().collect();
    prop_assert_eq!(&read(rows, Order::Ascending), &all);
    all.reverse();
    prop_assert_eq!(&read(rows, Order::Descending), &all);
    for family in &key::PAGED[..2] {
        for place in 0_u8..KEYS {
            let key = [*family, place / 7, place];
            let row = rows.row(&key).expect("a sound disk");
            prop_assert_eq!(
                row.as_ref().map(AsRef::as_ref),
                expected.get(&key[..]).map(Vec::as_slice)
            );
            let (from, to) = (Bound::Included(&key[..]), Bound::Included(&key[..]));
            let mut found = 0;
            let each = &mut |_: &[u8], _: &[u8]| {
                found += 1;
                Ok(true)
            };
            rows.visit(from, to, Order::Ascending, each).expect("a sound disk");
            prop_assert_eq!(found, usize::from(expected.contains_key(&key[..])));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn of_a_step_that_is_cut_anywhere_no_row_is_lost_or_comes_back(
        rounds in prop::collection::vec(any_round(), 1..20),
    ) {
        let (_folder, tree) = open();
        let mut expected = Map::new();
        for Round { changes, cuts } in rounds {
            let mut old = Layer::default();
            for (key, row) in changes {
                old.put(key.clone(), entry(row.as_ref()));
                match row {
                    Some(row) => expected.insert(key, row),
                    None => expected.remove(&key),
                };
            }
            let layers = Layers { old, ..Layers::default() };
            for cut in cuts {
                merge(&tree, &layers.old, cut);
                shows(&View { tree: &tree, layers: &layers }, &expected)?;
            }
            merge(&tree, &layers.old, usize::MAX);
            shows(&tree, &expected)?;
        }
    }
}

#[test]
fn a_page_that_goes_brings_no_void_row_back() {
    let (_folder, tree) = open();
    let key = |n: u8| vec![key::PAGED[0], 0, n];
    let layer = |rows: &[(u8, Option<usize>)]| {
        let mut layer = Layer::default();
        for (n, row) in rows {
            layer.put(key(*n), entry(row.map(|len| vec![*n; len]).as_ref()));
        }
        layer
    };
    merge(&tree, &layer(&[(1, Some(400)), (2, Some(400)), (3, Some(400))]), usize::MAX);
    let grown = layer(&[(2, Some(1_600))]);
    // The page is to be divided into three, and its own part is not written.
    merge(&tree, &grown, 2);
    merge(&tree, &grown, usize::MAX);
    let (_, first) = tree.page_of(&key(1)).expect("a sound disk").expect("it is there");
    assert_eq!(page::all(&first).expect("sound").len(), 3, "two of them are void");
    merge(&tree, &layer(&[(2, None)]), usize::MAX);
    let left: Vec<Vec<u8>> = read(&tree, Order::Ascending).into_iter().map(|row| row.0).collect();
    assert_eq!(left, [key(1), key(3)]);
    assert_eq!(tree.row(&key(2)).expect("a sound disk"), None);
}
