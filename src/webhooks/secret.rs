//! Signing secrets, and what is signed with them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::model::{Dice, NoticeId, Secret, Timestamp};

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// A fresh secret: `whsec_` and 32 random bytes in 43 characters. Draws that need a character in
/// which the two base64 alphabets differ are thrown away, so that verifiers of both read the same
/// bytes; that costs two bits of the 256.
pub(super) fn fresh(dice: &Dice) -> Secret {
    loop {
        let bytes = [dice().to_be_bytes(), dice().to_be_bytes()].concat();
        let text = URL_SAFE_NO_PAD.encode(bytes);
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Secret::new(format!("{PREFIX}{text}"));
        }
    }
}

/// The contract's signature of a body: HMAC-SHA256 under the whole secret, as `sha256=` and
/// lower-case hexadecimal.
pub fn signature(secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let tag = hmac::sign(&key, body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// Whether this is the contract's signature of a body, found out in constant time.
pub fn signed(secret: &Secret, body: &[u8], by: &str) -> bool {
    signature(secret, body).as_bytes().ct_eq(by.as_bytes()).into()
}

/// One signature of the Standard Webhooks scheme: HMAC-SHA256 under the secret's bytes, over id,
/// seconds and body, as `v1,` and base64.
fn standard(secret: &Secret, id: NoticeId, seconds: i64, body: &[u8]) -> String {
    let text = secret.expose().strip_prefix(PREFIX).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
    let signed = [format!("{id}.{seconds}.").as_bytes(), body].concat();
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
}

/// The headers that sign a delivery, by every secret that still signs; the newest is first.
pub(super) fn sign(
    secrets: &[Secret],
    id: NoticeId,
    at: Timestamp,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let seconds = at.as_millis().div_euclid(1_000);
    let all: Vec<String> =
        secrets.iter().map(|secret| standard(secret, id, seconds, body)).collect();
    let mut headers = vec![
        ("webhook-id", id.to_string()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", all.join(" ")),
    ];
    let names = ["x-letmepost-signature", "x-letmepost-signature-previous"];
    for (name, secret) in names.into_iter().zip(secrets) {
        headers.push((name, signature(secret, body)));
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_contracts_check_value_comes_out() {
        let expected = "sha256=51426af50a41dd7ff2cd3f116594734766d4018d15d6fb07169aee5d2959adf5";
        let (secret, body) = (Secret::new("whsec_test"), br#"{"a":1}"#);
        assert_eq!(signature(&secret, body), expected);
        assert!(signed(&secret, body, expected));
        for other in ["", "sha256=", &expected[..70], &expected.to_uppercase(), "v1,x"] {
            assert!(!signed(&secret, body, other), "{other}");
        }
        assert!(!signed(&secret, b"{}", expected) && !signed(&Secret::new("x"), body, expected));
    }

    #[test]
    fn secrets_read_alike_in_both_alphabets() {
        let count = AtomicU64::new(0);
        let dice: Dice = Arc::new(move || {
            let n = u128::from(count.fetch_add(1, Ordering::Relaxed));
            n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        });
        for _ in 0..50 {
            let secret = fresh(&dice);
            let text = secret.expose();
            assert_eq!(text.len(), 49, "{text}");
            assert!(text[6..].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
        }
    }

    #[test]
    fn each_secret_signs_and_the_newest_comes_first() {
        let (new, old) = (Secret::new("whsec_QUJD"), Secret::new("whsec_REVG"));
        let id = NoticeId::from_raw(1);
        let at = Timestamp::from_millis(1_700_000_000_999);
        let headers = sign(&[new.clone(), old.clone()], id, at, b"{}");
        let value = |name: &str| {
            let found = headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        assert_eq!(value("x-letmepost-signature"), signature(&new, b"{}"));
        assert_eq!(value("x-letmepost-signature-previous"), signature(&old, b"{}"));
        assert_eq!(value("webhook-timestamp"), "1700000000");
        let both = value("webhook-signature");
        let parts: Vec<&str> = both.split(' ').collect();
        assert_eq!(parts.len(), 2, "{both}");
        assert!(parts.iter().all(|part| part.starts_with("v1,")), "{both}");
        assert_ne!(parts[0], parts[1]);
    }
}
