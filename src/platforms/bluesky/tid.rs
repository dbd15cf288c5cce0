//! Record keys: 13 characters that sort by time.

use crate::model::{PostId, Timestamp};

const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// The record key of a post's `place`-th record (0 the post, 1 its first comment): 53 bits of
/// microseconds and 10 of a clock id. Milliseconds come from the frozen start, everything below
/// from the post id's random part, so the same post always gives the same key, and two posts of
/// one millisecond almost never do.
pub(super) fn record_key(post: PostId, started_at: Timestamp, place: u64) -> String {
    let random = u64::try_from(post.raw() & u128::from(u64::MAX)).unwrap_or(0);
    let mixed = random.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let millis = u64::try_from(started_at.as_millis()).unwrap_or(0);
    let micros = millis.wrapping_mul(1_000).wrapping_add(mixed % 998 + place);
    let clock = (mixed / 998) & 0x3ff;
    let bits = ((micros & ((1 << 53) - 1)) << 10) | clock;
    (0..13)
        .map(|n| {
            let index = (bits >> (60 - 5 * n)) & 31;
            char::from(ALPHABET[usize::try_from(index).unwrap_or(0)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_valid_stable_and_sort_by_time() {
        let post = PostId::from_raw(0x0190_aaaa_bbbb_cccc_dddd_eeee_ffff_0001);
        let at = Timestamp::from_millis(1_800_000_000_000);
        let key = record_key(post, at, 0);
        assert_eq!(key.len(), 13);
        assert!(key.bytes().all(|byte| ALPHABET.contains(&byte)), "{key}");
        assert!(b"234567abcdefghij".contains(&key.as_bytes()[0]), "the first digit has four bits");
        assert_eq!(key, record_key(post, at, 0));
        assert!(key < record_key(post, at, 1), "a comment sorts after its post");
        assert!(
            record_key(post, at, 1)
                < record_key(post, Timestamp::from_millis(1_800_000_000_001), 0)
        );
        assert_ne!(key, record_key(PostId::from_raw(post.raw() + 1), at, 0));
    }
}
