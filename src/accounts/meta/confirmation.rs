//! The code that confirms a deletion: a UUID that says when it was given, and that only we can
//! make.

use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::model::Timestamp;

/// What a code begins with.
const PREFIX: &str = "lmp_";

/// The code of a deletion that is done. Its 128 bits are the time in milliseconds (48), the version
/// 8 of RFC 9562 (4), chance (12), the variant (2), and a signature of the first half (62).
pub(super) fn give(key: &hmac::Key, at: Timestamp, entropy: u128) -> String {
    let at = u64::try_from(at.as_millis()).unwrap_or_default();
    let chance = u64::try_from(entropy & 0xfff).unwrap_or_default();
    let first = at << 16 | 0x8 << 12 | chance;
    let text = format!("{first:016x}{:016x}", second(key, first));
    let (a, b, c, d, e) = (&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]);
    format!("{PREFIX}{a}-{b}-{c}-{d}-{e}")
}

/// When a code was given; `None` for one that we did not give.
pub(super) fn given_at(key: &hmac::Key, code: &str) -> Option<Timestamp> {
    let parts: Vec<&str> = code.strip_prefix(PREFIX)?.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    (lengths == [8, 4, 4, 4, 12]).then_some(())?;
    let digits = parts.concat();
    let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.bytes().all(plain).then_some(())?;
    let first = u64::from_str_radix(&digits[..16], 16).ok()?;
    let signed = u64::from_str_radix(&digits[16..], 16).ok()?;
    bool::from(signed.ct_eq(&second(key, first))).then_some(())?;
    i64::try_from(first >> 16).ok().map(Timestamp::from_millis)
}

fn second(key: &hmac::Key, first: u64) -> u64 {
    let tag = hmac::sign(key, &first.to_be_bytes());
    let whole = tag.as_ref().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    whole >> 2 | 1 << 63
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    #[test]
    fn a_code_says_when_it_was_given() {
        let at = Timestamp::from_millis(1_764_000_000_123);
        let code = give(&key(1), at, u128::MAX);
        let uuid = code.strip_prefix("lmp_").expect("its prefix");
        let shape: String =
            uuid.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
        assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        assert_eq!((&uuid[14..15], "89ab".contains(&uuid[19..20])), ("8", true), "{uuid}");
        assert_eq!(given_at(&key(1), &code), Some(at));
        assert_eq!(given_at(&key(2), &code), None, "another server gave it");
        assert_ne!(give(&key(1), at, 1), give(&key(1), at, 2), "two in one millisecond");
    }

    #[test]
    fn no_other_code_is_ours() {
        let good = give(&key(1), Timestamp::from_millis(1_764_000_000_123), 7);
        for place in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert_eq!(given_at(&key(1), &text), None, "{text}");
        }
        let upper = good.to_uppercase().replace("LMP_", "lmp_");
        for code in ["", "lmp_", "lmp_0-0-0-0-0", &good[4..], &format!("{good}0"), &upper] {
            assert_eq!(given_at(&key(1), code), None, "{code}");
        }
        assert_eq!(given_at(&key(1), "lmp_ä0000000-0000-0000-0000-00000000000"), None);
    }
}
