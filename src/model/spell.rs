//! Spellings that are written thousands of times for one answer.

use std::io::Write as _;

use super::id::{UlidId, UlidKind, UuidId};
use super::time::Timestamp;

/// What is also written without the detour over `Display`: letter for letter as that prints it,
/// and nothing in it must be escaped anywhere.
pub trait Spell {
    /// Writes it at the end of `out`.
    fn spell(&self, out: &mut Vec<u8>);
}

impl<K: UlidKind> Spell for UlidId<K> {
    fn spell(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(K::PREFIX.as_bytes());
        out.extend_from_slice(&self.letters());
    }
}

impl<K> Spell for UuidId<K> {
    fn spell(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.letters());
    }
}

impl Spell for Timestamp {
    fn spell(&self, out: &mut Vec<u8>) {
        match self.letters() {
            Some(letters) => out.extend_from_slice(&letters),
            None => write!(out, "{self}").expect("memory takes what is written to it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AccountId, PostId};

    fn same(value: impl Spell + ToString) {
        let mut out = b"before ".to_vec();
        value.spell(&mut out);
        assert_eq!(out, format!("before {}", value.to_string()).into_bytes());
    }

    proptest! {
        #[test]
        fn a_spelling_is_what_display_prints(raw in any::<u128>(), ms in any::<i64>()) {
            same(PostId::from_raw(raw));
            same(AccountId::from_raw(raw));
            for ms in [ms, ms % 253_370_764_800_000, ms % 62_167_219_200_000, ms % 100_000] {
                same(Timestamp::from_millis(ms));
            }
        }
    }
}
