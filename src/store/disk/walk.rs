//! Short stretches of rows that lie near each other, read in one walk down the pages.
//!
//! sled finds a page from the root of its tree and then copies its leaf, which costs more than to
//! read a batch out of it. The batches of a list lie one below the other, with their journals in
//! between: so the walk steps from page to page as long as the next stretch is near.

use std::ops::Bound;

use super::guard::guarded_read;
use super::layers::{Layer, View, visit_over};
use super::page;
use super::tree::{LOOK_AGAIN, Named, Range, Tree, named, visit_page};
use crate::store::pack::{Rows, Visitor};
use crate::store::{Key, Order, StoreError, Taker, read};

/// So many pages without a row that is wanted are passed by: more are as dear as to look anew.
/// Builds with debug assertions give up early, here and below, so that every test meets it.
const PASSED_MAX: usize = if cfg!(debug_assertions) { 2 } else { 8 };
/// A stretch of more pages is read as any other part of the store.
const SHORT: usize = if cfg!(debug_assertions) { 3 } else { 16 };

/// As `Store::scan_each`.
pub(super) fn scan_each(
    view: &View<'_>,
    stretches: &[(Key, Key)],
    limit: usize,
    each: &mut Taker<'_>,
) {
    let stretches: Vec<(Vec<u8>, Vec<u8>)> =
        stretches.iter().map(|(from, to)| (from.encode(), to.encode())).collect();
    let layers = touched(view, &stretches);
    let mut walk = Walk::new(view.tree);
    for (place, (from, to)) in stretches.iter().enumerate().filter(|(_, (from, to))| from <= to) {
        let bounds = (Bound::Included(from.as_slice()), Bound::Included(to.as_slice()));
        read::stretch(view, limit, &mut |record| each(place, record), |each| {
            visit_over(layers, bounds, Order::Ascending, each, |each| walk.visit(from, to, each))
        });
    }
}

/// The layers that may speak of any of these rows, newest first.
fn touched<'a>(view: &View<'a>, stretches: &[(Vec<u8>, Vec<u8>)]) -> [Option<&'a Layer>; 3] {
    let first = stretches.iter().map(|(from, _)| from).min();
    let last = stretches.iter().map(|(_, to)| to).max();
    view.newest_first().map(|layer| {
        let (first, last) = first.zip(last).filter(|(first, last)| first <= last)?;
        let all = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
        layer.rows().range::<[u8], _>(all).next().map(|_| layer)
    })
}

/// Where a walk is.
struct Walk<'a> {
    tree: &'a Tree,
    /// The pages further down, in the same family.
    below: Option<sled::Iter>,
    /// The lowest page so far; none when there is no other.
    page: Option<Named>,
    /// Keys from `page` up to here are in no other page.
    top: Bound<Vec<u8>>,
    family: u8,
    steps: usize,
}

impl<'a> Walk<'a> {
    const fn new(tree: &'a Tree) -> Self {
        Self { tree, below: None, page: None, top: Bound::Unbounded, family: 0, steps: 0 }
    }

    /// Hands over the rows from one key to another one.
    fn visit(&mut self, from: &[u8], to: &[u8], each: &mut Visitor<'_>) -> Result<(), StoreError> {
        let bounds = (Bound::Included(from), Bound::Included(to));
        let pages = match page::is_paged(from) && from[0] == to[0] {
            true => self.pages(from, to)?,
            false => None,
        };
        let Some(pages) = pages else {
            return self.tree.visit(bounds.0, bounds.1, Order::Ascending, each);
        };
        let mut pages = pages.iter().rev().peekable();
        while let Some((name, page)) = pages.next() {
            let void_from = pages.peek().map(|(name, _)| name.as_ref());
            let range = Range { from: bounds.0, to: bounds.1, void_from, order: Order::Ascending };
            if !visit_page(name, page, range, each)? {
                break;
            }
        }
        Ok(())
    }

    /// The pages of these keys, the highest first; `None` when they are many.
    fn pages(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Vec<Named>>, StoreError> {
        if !self.goes_to(to)? {
            self.seek(to)?;
        }
        let mut pages = Vec::with_capacity(4);
        while let Some((name, page)) = &self.page {
            if pages.len() == SHORT {
                return Ok(None);
            }
            pages.push((name.clone(), page.clone()));
            if name.as_ref() <= from || !self.step()? {
                break;
            }
        }
        Ok(Some(pages))
    }

    /// Goes down to the page of `to`, if that is near.
    fn goes_to(&mut self, to: &[u8]) -> Result<bool, StoreError> {
        let ahead = match &self.top {
            Bound::Included(top) => to <= top.as_slice(),
            Bound::Excluded(top) => to < top.as_slice(),
            Bound::Unbounded => false,
        };
        if !ahead || self.family != to[0] {
            return Ok(false);
        }
        for _ in 0..PASSED_MAX {
            if self.page.as_ref().is_none_or(|(name, _)| name.as_ref() <= to) {
                return Ok(true);
            }
            if !self.step()? {
                self.leave(None);
            }
        }
        Ok(false)
    }

    fn seek(&mut self, to: &[u8]) -> Result<(), StoreError> {
        self.family = to[0];
        let (family, place) = (page::place(&to[..1]), page::place(to));
        let mut below = guarded_read(|| Ok(self.tree.db.range(family..=place)))?;
        self.page = guarded_read(|| below.next_back().transpose())?.map(named);
        self.top = Bound::Included(to.to_vec());
        self.below = Some(below);
        Ok(())
    }

    /// Goes one page down, if there is one.
    fn step(&mut self) -> Result<bool, StoreError> {
        let Some(below) = &mut self.below else { return Ok(false) };
        let Some(found) = guarded_read(|| below.next_back().transpose())? else { return Ok(false) };
        self.steps += 1;
        if self.steps.is_multiple_of(LOOK_AGAIN) {
            guarded_read(|| self.tree.db.contains_key(&found.0))?;
        }
        self.leave(Some(named(found)));
        Ok(true)
    }

    /// Goes from the lowest page so far to the next one, or to where there is none.
    fn leave(&mut self, next: Option<Named>) {
        if let Some((name, _)) = std::mem::replace(&mut self.page, next) {
            self.top = Bound::Excluded(name.to_vec());
        }
    }
}
