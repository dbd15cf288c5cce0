//! Getting a fresh session for a credential.

use super::access::{AccessError, Accounts, SESSION_TIMEOUT, no_session};
use super::credential::{BlueskyCredential, Credential, OauthCredential};
use crate::model::Platform;
use crate::platforms::bluesky::session::{self, Session, SessionFault};
use crate::platforms::oauth::{self, OauthFault, Offer};

impl Accounts {
    /// A credential that is good for longer. Nothing is kept.
    pub(super) async fn renew(
        &self,
        platform: Platform,
        old: &Credential,
    ) -> Result<Credential, AccessError> {
        match old {
            Credential::Bluesky(old) => self.renew_bluesky(old).await.map(Credential::Bluesky),
            Credential::Oauth(old) => self.renew_oauth(platform, old).await.map(Credential::Oauth),
        }
    }

    /// By the refresh token, or by the app password when that has run out. The password goes with
    /// the permanent id: a handle may have become somebody else's.
    async fn renew_bluesky(
        &self,
        old: &BlueskyCredential,
    ) -> Result<BlueskyCredential, AccessError> {
        let upstream = &self.options.upstream;
        let request = session::refresh_session(&old.pds_url);
        let token = Some(&old.refresh_jwt);
        let answer = upstream.send(&request, token, None, SESSION_TIMEOUT).await;
        let refreshed = match session::read_session(&answer) {
            Err(SessionFault::Expired(_) | SessionFault::Refused(_)) => {
                let request = session::create_session(&old.pds_url, &old.did, &old.app_password);
                let answer = upstream.send(&request, None, None, SESSION_TIMEOUT).await;
                session::read_session(&answer)
            }
            other => other,
        };
        match refreshed {
            Ok(session) => own_session(old, &session),
            Err(SessionFault::Unavailable(fault)) => Err(AccessError::Unavailable(fault)),
            // What is neither a session nor a no may be a proxy's page: it is asked again.
            Err(SessionFault::Rejected(fault)) => {
                Err(AccessError::Unavailable(session::unclear(fault)))
            }
            Err(other) => Err(AccessError::Refused(other.into_fault())),
        }
    }

    async fn renew_oauth(
        &self,
        platform: Platform,
        old: &OauthCredential,
    ) -> Result<OauthCredential, AccessError> {
        let (provider, client) = self.client(platform).map_err(AccessError::Refused)?;
        let Some(refresh_token) = &old.refresh_token else {
            return Err(AccessError::Refused(oauth::no_refresh_token(provider)));
        };
        let request = client.refresh(provider, refresh_token);
        let answer = self.options.upstream.send(&request, None, None, SESSION_TIMEOUT).await;
        match oauth::read_tokens(provider, Offer::Refresh, &answer) {
            Ok(tokens) => Ok(OauthCredential::new(tokens, old.refresh_token.clone())),
            Err(OauthFault::Unavailable(fault) | OauthFault::Rejected(fault)) => {
                Err(AccessError::Unavailable(fault))
            }
            Err(other) => Err(AccessError::Refused(other.into_fault())),
        }
    }
}

/// The credential with a session, if that is of the same account.
fn own_session(
    old: &BlueskyCredential,
    session: &Session,
) -> Result<BlueskyCredential, AccessError> {
    if session.did != old.did {
        let why = format!("the host gave a session of {}, not of {}", session.did, old.did);
        return Err(AccessError::Refused(no_session(Platform::Bluesky, why)));
    }
    Ok(old.clone().with(session))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, Secret};

    #[test]
    fn a_session_of_another_account_is_not_taken() {
        let old = BlueskyCredential {
            identifier: "me.test".to_owned(),
            app_password: Secret::new("p"),
            did: "did:plc:me".to_owned(),
            pds_url: "http://h".to_owned(),
            access_jwt: Secret::new("a1"),
            refresh_jwt: Secret::new("r1"),
            access_expires_at: None,
        };
        let session = |did: &str| Session {
            did: did.to_owned(),
            handle: "me.test".to_owned(),
            access_jwt: Secret::new("a2"),
            refresh_jwt: Secret::new("r2"),
            access_expires_at: None,
        };
        let fresh = own_session(&old, &session("did:plc:me")).expect("its own");
        assert_eq!((fresh.access_jwt.expose(), fresh.refresh_jwt.expose()), ("a2", "r2"));
        match own_session(&old, &session("did:plc:you")) {
            Err(AccessError::Refused(fault)) => assert_eq!(fault.code, Code::PlatformAuthFailed),
            other => panic!("{other:?}"),
        }
    }
}
