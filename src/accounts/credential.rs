//! What is sealed of an account.

use serde_json::{Value, json};

use crate::model::{Secret, Timestamp};
use crate::platforms::bluesky::session::Session;

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

    /// As the text that is sealed.
    pub(super) fn to_text(&self) -> Secret {
        let value = json!({
            "identifier": self.identifier,
            "appPassword": self.app_password.expose(),
            "did": self.did,
            "pdsUrl": self.pds_url,
            "accessJwt": self.access_jwt.expose(),
            "refreshJwt": self.refresh_jwt.expose(),
            "accessExpiresAt": self.access_expires_at.map(Timestamp::as_millis),
        });
        Secret::new(value.to_string())
    }

    /// From the text that was sealed.
    pub(super) fn from_text(text: &Secret) -> Option<Self> {
        let value: Value = serde_json::from_str(text.expose()).ok()?;
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
