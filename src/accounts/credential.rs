//! What is sealed of an account.

use serde_json::{Value, json};

use crate::model::{Millis, Secret, Timestamp};
use crate::platforms::bluesky::session::Session;
use crate::platforms::oauth::Tokens;

/// A Bluesky session with less time left than this is refreshed before it is used.
const BLUESKY_REFRESH_BEFORE: Millis = Millis::from_secs(300);

/// What an account was connected with, and what was made of it since.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// An app password and its session.
    Bluesky(BlueskyCredential),
    /// The tokens of a consent.
    Oauth(OauthCredential),
}

impl Credential {
    /// What opens the platform now.
    pub(super) fn access_token(&self) -> &Secret {
        match self {
            Self::Bluesky(it) => &it.access_jwt,
            Self::Oauth(it) => &it.access_token,
        }
    }

    /// When that runs out, if it says so.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Bluesky(it) => it.access_expires_at,
            Self::Oauth(it) => Some(it.access_expires_at),
        }
    }

    /// Whether it need not be renewed yet.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        match self {
            Self::Bluesky(it) => {
                it.access_expires_at.is_none_or(|at| at > now.plus(BLUESKY_REFRESH_BEFORE))
            }
            // What cannot be renewed is good to its end.
            Self::Oauth(it) if it.refresh_token.is_none() => it.access_expires_at > now,
            Self::Oauth(it) => it.refresh_at > now,
        }
    }

    /// As the text that is sealed.
    pub(super) fn to_text(&self) -> Secret {
        let value = match self {
            Self::Bluesky(it) => it.to_value(),
            Self::Oauth(it) => it.to_value(),
        };
        Secret::new(value.to_string())
    }

    /// From the text that was sealed.
    pub(super) fn from_text(text: &Secret) -> Option<Self> {
        let value: Value = serde_json::from_str(text.expose()).ok()?;
        // The first credentials were all of Bluesky and name no kind.
        match value["kind"].as_str() {
            None => BlueskyCredential::from_value(&value).map(Self::Bluesky),
            Some("oauth") => OauthCredential::from_value(&value).map(Self::Oauth),
            Some(_) => None,
        }
    }
}

/// A Bluesky account's credential.
#[derive(Debug, Clone)]
pub(super) struct BlueskyCredential {
    pub identifier: String,
    pub app_password: Secret,
    pub did: String,
    pub pds_url: String,
    pub access_jwt: Secret,
    pub refresh_jwt: Secret,
    pub access_expires_at: Option<Timestamp>,
}

impl BlueskyCredential {
    /// The credential after a session was made or refreshed.
    pub(super) fn with(self, session: &Session) -> Self {
        Self {
            access_jwt: session.access_jwt.clone(),
            refresh_jwt: session.refresh_jwt.clone(),
            access_expires_at: session.access_expires_at,
            ..self
        }
    }

    fn to_value(&self) -> Value {
        json!({
            "identifier": self.identifier,
            "appPassword": self.app_password.expose(),
            "did": self.did,
            "pdsUrl": self.pds_url,
            "accessJwt": self.access_jwt.expose(),
            "refreshJwt": self.refresh_jwt.expose(),
            "accessExpiresAt": self.access_expires_at.map(Timestamp::as_millis),
        })
    }

    fn from_value(value: &Value) -> Option<Self> {
        let member = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Self {
            identifier: member("identifier")?,
            app_password: Secret::new(member("appPassword")?),
            did: member("did")?,
            pds_url: member("pdsUrl")?,
            access_jwt: Secret::new(member("accessJwt")?),
            refresh_jwt: Secret::new(member("refreshJwt")?),
            access_expires_at: value["accessExpiresAt"].as_i64().map(Timestamp::from_millis),
        })
    }
}

/// The tokens of an account that was connected by consent.
#[derive(Debug, Clone)]
pub(super) struct OauthCredential {
    pub access_token: Secret,
    pub access_expires_at: Timestamp,
    pub refresh_token: Option<Secret>,
    pub refresh_at: Timestamp,
}

impl OauthCredential {
    /// What new tokens make of it. A platform that gives no new refresh token means the old one to
    /// be used on.
    pub(super) fn new(tokens: Tokens, old: Option<Secret>) -> Self {
        Self {
            access_token: tokens.access,
            access_expires_at: tokens.expires_at,
            refresh_token: tokens.refresh.or(old),
            refresh_at: tokens.refresh_at,
        }
    }

    fn to_value(&self) -> Value {
        json!({
            "kind": "oauth",
            "accessToken": self.access_token.expose(),
            "accessExpiresAt": self.access_expires_at.as_millis(),
            "refreshToken": self.refresh_token.as_ref().map(Secret::expose),
            "refreshAt": self.refresh_at.as_millis(),
        })
    }

    fn from_value(value: &Value) -> Option<Self> {
        let secret = |name: &str| value[name].as_str().map(Secret::new);
        let instant = |name: &str| value[name].as_i64().map(Timestamp::from_millis);
        Some(Self {
            access_token: secret("accessToken")?,
            access_expires_at: instant("accessExpiresAt")?,
            refresh_token: secret("refreshToken"),
            refresh_at: instant("refreshAt")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn oauth(refresh_token: Option<&str>) -> Credential {
        Credential::Oauth(OauthCredential {
            access_token: Secret::new("a"),
            access_expires_at: at(1_000),
            refresh_token: refresh_token.map(Secret::new),
            refresh_at: at(600),
        })
    }

    #[test]
    fn both_kinds_come_back_as_they_were_sealed() {
        let bluesky = r#"{"identifier":"me.test","appPassword":"p","did":"did:x",
            "pdsUrl":"http://h","accessJwt":"a","refreshJwt":"r","accessExpiresAt":null}"#;
        let bluesky = Credential::from_text(&Secret::new(bluesky)).expect("an old one is read");
        for one in [bluesky, oauth(Some("r")), oauth(None)] {
            let again = Credential::from_text(&one.to_text()).expect("whole");
            assert_eq!(again.to_text(), one.to_text());
        }
        assert!(Credential::from_text(&Secret::new(r#"{"kind":"other"}"#)).is_none());
        assert!(Credential::from_text(&Secret::new(r#"{"kind":"oauth"}"#)).is_none());
    }

    #[test]
    fn it_is_renewed_ahead_of_its_end_where_it_can_be_renewed() {
        assert!(oauth(Some("r")).is_fresh(at(599)));
        assert!(!oauth(Some("r")).is_fresh(at(600)));
        assert!(oauth(None).is_fresh(at(999)));
        assert!(!oauth(None).is_fresh(at(1_000)));
    }

    #[test]
    fn a_new_refresh_token_takes_the_place_of_the_old_one() {
        let tokens = |refresh: Option<&str>| Tokens {
            access: Secret::new("a2"),
            refresh: refresh.map(Secret::new),
            expires_at: at(2_000),
            refresh_at: at(1_500),
            scope: None,
        };
        let after = |refresh| {
            let it = OauthCredential::new(tokens(refresh), Some(Secret::new("r1")));
            it.refresh_token.map(|token| token.expose().to_owned())
        };
        assert_eq!(after(Some("r2")).as_deref(), Some("r2"));
        assert_eq!(after(None).as_deref(), Some("r1"));
    }
}
