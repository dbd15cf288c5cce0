//! What Meta signs: two parts with a dot between them, the first signs the second.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::Value;

use crate::model::{Secret, Timestamp};

/// How Meta says that it signed.
const ALGORITHM: &str = "HMAC-SHA256";

/// The person whom a request of Meta's is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaPerson {
    /// The id that our app knows them by.
    pub id: String,
    /// When Meta signed, if it says so.
    pub issued_at: Option<Timestamp>,
}

impl MetaPerson {
    /// Reads a signed request; `None` when none of the secrets signed it, or it names nobody. The
    /// signatures are compared in constant time, before anything of the request is read.
    pub fn verify(text: &str, secrets: &[Secret]) -> Option<Self> {
        let (tag, payload) = text.split_once('.')?;
        let tag = decode(tag)?;
        let good = |secret: &Secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
            hmac::verify(&key, payload.as_bytes(), &tag).is_ok()
        };
        secrets.iter().any(good).then_some(())?;
        let value: Value = serde_json::from_slice(&decode(payload)?).ok()?;
        (value["algorithm"] == ALGORITHM).then_some(())?;
        let id = match &value["user_id"] {
            Value::String(id) if !id.is_empty() => id.clone(),
            Value::Number(id) => id.as_u64()?.to_string(),
            _ => return None,
        };
        let seconds = value["issued_at"].as_i64();
        let issued_at = seconds.and_then(|at| at.checked_mul(1_000)).map(Timestamp::from_millis);
        Some(Self { id, issued_at })
    }
}

/// Meta sends no padding; whoever adds it is understood.
fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn signed(payload: &str, secret: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let tag = hmac::sign(&key, payload.as_bytes());
        format!("{}.{payload}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn sent(payload: &Value) -> String {
        signed(&payload.to_string(), "s1")
    }

    fn read(text: &str) -> Option<MetaPerson> {
        MetaPerson::verify(text, &[Secret::new("s0"), Secret::new("s1")])
    }

    #[test]
    fn a_person_is_read_whichever_app_signed() {
        let payload = json!({ "user_id": "218471", "algorithm": ALGORITHM, "issued_at": 1_700 });
        let found = read(&sent(&payload)).expect("it is good");
        let issued_at = Some(Timestamp::from_millis(1_700_000));
        assert_eq!(found, MetaPerson { id: "218471".to_owned(), issued_at });
        let other = signed(&payload.to_string(), "s0");
        assert_eq!(read(&other), Some(found));
        let number = read(&sent(&json!({ "user_id": 218_471, "algorithm": ALGORITHM })));
        assert_eq!(number, Some(MetaPerson { id: "218471".to_owned(), issued_at: None }));
        let padded = sent(&json!({ "user_id": "1", "algorithm": ALGORITHM }));
        let (tag, payload) = padded.split_once('.').expect("two parts");
        assert!(read(&format!("{tag}=.{payload}")).is_some());
    }

    #[test]
    fn what_is_not_signed_whole_or_names_nobody_is_none() {
        let good = json!({ "user_id": "1", "algorithm": ALGORITHM });
        let text = sent(&good);
        assert_eq!(MetaPerson::verify(&text, &[]), None);
        assert_eq!(MetaPerson::verify(&text, &[Secret::new("other")]), None);
        let (tag, payload) = text.split_once('.').expect("two parts");
        let another = sent(&json!({ "user_id": "2", "algorithm": ALGORITHM }));
        let another = another.split_once('.').expect("two parts").1;
        for text in [
            "",
            ".",
            tag,
            payload,
            &format!("{tag}."),
            &format!(".{payload}"),
            &format!("{tag}.{another}"),
            &format!("{text}.{payload}"),
            &format!("!{tag}.{payload}"),
            &format!("{}.{payload}", &tag[..tag.len() - 4]),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for payload in [
            json!({ "user_id": "1" }),
            json!({ "user_id": "1", "algorithm": "none" }),
            json!({ "user_id": "1", "algorithm": "HMAC-SHA1" }),
            json!({ "algorithm": ALGORITHM }),
            json!({ "user_id": "", "algorithm": ALGORITHM }),
            json!({ "user_id": null, "algorithm": ALGORITHM }),
            json!({ "user_id": -1, "algorithm": ALGORITHM }),
            json!({ "user_id": 1.5, "algorithm": ALGORITHM }),
            json!(["1"]),
        ] {
            assert_eq!(read(&sent(&payload)), None, "{payload}");
        }
        assert_eq!(read(&signed("no JSON", "s1")), None);
    }

    #[test]
    fn no_single_bit_can_be_changed() {
        let good = sent(&json!({ "user_id": "218471", "algorithm": ALGORITHM }));
        let whole = read(&good);
        for place in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            // The last character of a signature has bits that say nothing.
            let found = read(&text);
            assert!(found.is_none() || found == whole, "a change at {place} goes unseen");
        }
    }
}
