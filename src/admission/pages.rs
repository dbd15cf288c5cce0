//! Pages of lists as they were last answered. Who shows a list asks for its first page again and
//! again, and mostly nothing has been committed meanwhile: then the answer is the same bytes. Who
//! goes through all pages asks for each but once, and to keep those would cost more than it saves:
//! so a page is kept when it is asked for a second time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::model::{LIST_PAGE_KEPT_BYTES_MAX, LIST_PAGES_KEPT_MAX, ProfileId};

/// What a page answers: the profile that the caller is bound to, and the query.
pub(super) type Asked = (Option<ProfileId>, String);

/// The pages.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages(Arc<Mutex<Kept>>);

/// Pages that are all of one version of the store; those that were asked for once have no bytes.
#[derive(Debug, Default)]
struct Kept {
    version: u64,
    pages: BTreeMap<Asked, Option<Bytes>>,
}

impl Pages {
    /// The page that was answered, if that was at this version of the store.
    pub(super) fn get(&self, version: u64, asked: &Asked) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let page = kept.pages.get(asked).filter(|_| kept.version == version);
        page.cloned().flatten()
    }

    /// Keeps a page, all of which was read at this version of the store, if that is worth it.
    pub(super) fn keep(&self, version: u64, asked: Asked, page: &Bytes) {
        if asked.1.len() + page.len() > LIST_PAGE_KEPT_BYTES_MAX {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who read at an older version may be late.
        if version < kept.version {
            return;
        }
        if version > kept.version {
            kept.pages.clear();
            kept.version = version;
        }
        if let Some(again) = kept.pages.get_mut(&asked) {
            *again = Some(page.clone());
            return;
        }
        if kept.pages.len() >= LIST_PAGES_KEPT_MAX {
            // Those that are asked for come back.
            kept.pages.clear();
        }
        kept.pages.insert(asked, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(n: usize) -> Asked {
        (None, format!("limit={n}"))
    }

    fn keep_twice(pages: &Pages, version: u64, asked: Asked, page: &Bytes) {
        pages.keep(version, asked.clone(), page);
        pages.keep(version, asked, page);
    }

    #[test]
    fn a_page_is_answered_again_until_something_is_committed() {
        let (pages, page) = (Pages::default(), Bytes::from_static(b"{}"));
        assert_eq!(pages.get(0, &asked(1)), None);
        pages.keep(4, asked(1), &page);
        assert_eq!(pages.get(4, &asked(1)), None, "asked for once");
        pages.keep(4, asked(1), &page);
        assert_eq!(pages.get(4, &asked(1)), Some(page.clone()));
        let bound = (Some(ProfileId::from_raw(1)), asked(1).1);
        for (version, asked) in [(3, &asked(1)), (5, &asked(1)), (4, &asked(2)), (4, &bound)] {
            assert_eq!(pages.get(version, asked), None, "{version} {asked:?}");
        }
        keep_twice(&pages, 5, asked(2), &page);
        keep_twice(&pages, 4, asked(3), &page);
        assert_eq!(pages.get(5, &asked(2)), Some(page));
        assert_eq!((pages.get(5, &asked(1)), pages.get(5, &asked(3))), (None, None));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let pages = Pages::default();
        let large = Bytes::from(vec![b' '; LIST_PAGE_KEPT_BYTES_MAX]);
        keep_twice(&pages, 1, asked(0), &large);
        assert_eq!(pages.get(1, &asked(0)), None);
        for n in 0..3 * LIST_PAGES_KEPT_MAX {
            keep_twice(&pages, 1, asked(n), &Bytes::from_static(b"{}"));
            assert!(pages.get(1, &asked(n)).is_some());
            assert!(pages.0.lock().expect("sound").pages.len() <= LIST_PAGES_KEPT_MAX);
        }
    }
}
