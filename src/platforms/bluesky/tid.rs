//! Record keys: 13 characters that sort by time.

use crate::model::PostId;

const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// The record key of a post's `place`-th record (0 the post, 1 its first comment): 53 bits of
/// microseconds and 10 of a clock id. All of it comes from the post id: milliseconds from its time,
/// everything below from its random part. So the same post always gives the same key, also where
/// nothing else is known of it any more, and two posts of one millisecond almost never do.
pub(super) fn record_key(post: PostId, place: u64) -> String {
    let random = u64::try_from(post.raw() & u128::from(u64::MAX)).unwrap_or(0);
    let mixed = random.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let millis = u64::try_from(post.raw() >> 80).unwrap_or(0);
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
        let later = PostId::from_raw(post.raw() + (1 << 80));
        let key = record_key(post, 0);
        assert_eq!(key.len(), 13);
        assert!(key.bytes().all(|byte| ALPHABET.contains(&byte)), "{key}");
        assert!(b"234567abcdefghij".contains(&key.as_bytes()[0]), "the first digit has four bits");
        assert_eq!(key, record_key(post, 0));
        assert!(key < record_key(post, 1), "a comment sorts after its post");
        assert!(record_key(post, 1) < record_key(later, 0));
        assert_ne!(key, record_key(PostId::from_raw(post.raw() + 1), 0));
    }
}
