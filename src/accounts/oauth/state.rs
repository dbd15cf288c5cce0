//! The state: what goes with a person to a platform, signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::super::place::Place;
use crate::model::{Digest, ORGANIZATION, Platform, Timestamp};

/// What goes with a person to a platform and comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The platform.
    pub platform: Platform,
    /// Where the account goes. Whoever began with a limited key comes back without one.
    pub place: Place,
    /// Until when it may be redeemed.
    pub expires_at: Timestamp,
    /// Names the one connect it belongs to.
    pub nonce: Digest,
    /// Where the person wants to be afterwards; it was allowed when the state was signed.
    pub return_to: Option<String>,
}

/// Why a state is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFault {
    /// It is none of ours by its form.
    Malformed,
    /// It was changed, or signed with another secret key.
    BadSignature,
    /// The person took too long.
    Expired,
    /// It was made for another platform.
    OtherPlatform,
    /// It was redeemed before.
    Used,
}

impl StateFault {
    /// The name in `connect_error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "invalid_state_malformed",
            Self::BadSignature => "invalid_state_bad_signature",
            Self::Expired => "invalid_state_expired",
            Self::OtherPlatform => "platform_mismatch",
            Self::Used => "invalid_state_used",
        }
    }

    /// What is wrong, for a person.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "the state is not one that this server made",
            Self::BadSignature => "the state was changed on its way",
            Self::Expired => "the connect was begun too long ago",
            Self::OtherPlatform => "the connect was begun for another platform",
            Self::Used => "the connect was finished before",
        }
    }
}

impl State {
    /// As text: two parts with a dot between them, the second signs the first.
    pub(super) fn sign(&self, key: &hmac::Key) -> String {
        let payload = json!({
            "organizationId": ORGANIZATION,
            "profileId": self.place.profile().map(|id| id.to_string()),
            "profileOnly": matches!(self.place, Place::Only(_)),
            "platform": self.platform.as_str(),
            "exp": self.expires_at.as_millis(),
            "nonce": self.nonce.to_string(),
            "returnTo": self.return_to,
        });
        let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
        let tag = hmac::sign(key, payload.as_bytes());
        format!("{payload}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// From text. The first thing that is wrong, in the order of the contract.
    pub(super) fn verify(
        text: &str,
        key: &hmac::Key,
        platform: Platform,
        now: Timestamp,
    ) -> Result<Self, StateFault> {
        let (payload, tag) = text.split_once('.').ok_or(StateFault::Malformed)?;
        if tag.contains('.') {
            return Err(StateFault::Malformed);
        }
        let state = Self::parse(payload).ok_or(StateFault::Malformed)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| StateFault::BadSignature)?;
        hmac::verify(key, payload.as_bytes(), &tag).map_err(|_| StateFault::BadSignature)?;
        if now >= state.expires_at {
            return Err(StateFault::Expired);
        }
        if state.platform != platform {
            return Err(StateFault::OtherPlatform);
        }
        Ok(state)
    }

    fn parse(payload: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let value: Value = serde_json::from_slice(&bytes).ok()?;
        let place = match (&value["profileId"], value["profileOnly"].as_bool()) {
            (Value::Null, _) => Place::Default,
            (named, Some(true)) => Place::Only(named.as_str()?.parse().ok()?),
            (named, _) => Place::Profile(named.as_str()?.parse().ok()?),
        };
        Some(Self {
            platform: value["platform"].as_str()?.parse().ok()?,
            place,
            expires_at: Timestamp::from_millis(value["exp"].as_i64()?),
            nonce: value["nonce"].as_str()?.parse().ok()?,
            return_to: value["returnTo"].as_str().map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProfileId;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn state() -> State {
        State {
            platform: Platform::Twitter,
            place: Place::Only(ProfileId::from_raw(7)),
            expires_at: at(600_000),
            nonce: Digest([3; 32]),
            return_to: Some("https://app.example/x?y=z".to_owned()),
        }
    }

    fn check(text: &str, now: i64, expected: StateFault) {
        let found = State::verify(text, &key(1), Platform::Twitter, at(now));
        assert_eq!(found, Err(expected), "{text}");
    }

    #[test]
    fn it_comes_back_as_it_went() {
        let places = [Place::Default, Place::Profile(ProfileId::from_raw(8))];
        let others = places.map(|place| State { place, return_to: None, ..state() });
        for state in others.into_iter().chain([state()]) {
            let text = state.sign(&key(1));
            let unreserved = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            assert!(text.chars().all(unreserved), "{text}");
            assert_eq!(State::verify(&text, &key(1), Platform::Twitter, at(599_999)), Ok(state));
        }
    }

    #[test]
    fn what_is_wrong_is_named_in_the_order_of_the_contract() {
        let good = state().sign(&key(1));
        let (payload, tag) = good.split_once('.').expect("two parts");
        for text in ["", ".", "x", payload, &format!("{good}.x"), &format!("!.{tag}"), "e30.x"] {
            check(text, 0, StateFault::Malformed);
        }
        let other = State { return_to: Some("https://evil.example/".to_owned()), ..state() };
        let swapped = other.sign(&key(2));
        check(&swapped, 0, StateFault::BadSignature);
        let swapped = swapped.split_once('.').expect("two parts").0;
        for text in [format!("{swapped}.{tag}"), format!("{payload}."), format!("{payload}.!")] {
            check(&text, 0, StateFault::BadSignature);
        }
        // Even when it is late as well.
        check(&format!("{payload}.AAAA"), 700_000, StateFault::BadSignature);
        check(&good, 600_000, StateFault::Expired);
        let linkedin = State { platform: Platform::Linkedin, ..state() }.sign(&key(1));
        check(&linkedin, 600_000, StateFault::Expired);
        check(&linkedin, 0, StateFault::OtherPlatform);
    }

    #[test]
    fn no_single_bit_can_be_changed() {
        let good = state().sign(&key(1));
        for place in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(
                State::verify(&text, &key(1), Platform::Twitter, at(0)).is_err(),
                "a change at {place} goes unseen"
            );
        }
    }
}
