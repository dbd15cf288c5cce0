//! From asking for a consent to the account it is for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::super::access::{Accounts, SESSION_TIMEOUT, unreadable};
use super::super::connect::{AccountDraft, Connected, busy};
use super::super::credential::{Credential, OauthCredential};
use super::super::place::Place;
use super::state::{State, StateFault};
use crate::engine::WriteError;
use crate::model::{
    CONNECTS_PENDING_MAX, Code, Digest, Fault, Millis, Platform, Secret, Timestamp,
};
use crate::platforms::oauth::{self, Client, Grant, OauthFault, Offer, Provider};
use crate::store::{Key, OauthStateRecord, Order, Record, Write};

/// How long a person may take at the platform.
const STATE_LIFETIME: Millis = Millis::from_secs(600);
/// What the key that signs states is made for.
const STATE_LABEL: &str = "fanfare oauth state";

/// What a client brings back from the platform.
#[derive(Debug)]
pub struct CompleteOauth {
    /// The code.
    pub code: Secret,
    /// The state.
    pub state: String,
    /// Where the platform sent the person.
    pub redirect_uri: String,
    /// The code verifier, where the platform takes a proof.
    pub code_verifier: Option<Secret>,
    /// Where it goes, if not where was named at the beginning.
    pub place: Place,
}

/// Why a person who came back is not connected.
#[derive(Debug, Clone)]
pub enum RedeemFault {
    /// The state is not good.
    State(StateFault),
    /// Something else.
    Fault(Fault),
}

impl Accounts {
    /// The app at a platform.
    ///
    /// # Errors
    /// `platform_not_enabled`, with the settings that are missing.
    pub(in super::super) fn client(
        &self,
        platform: Platform,
    ) -> Result<(&'static Provider, &Client), Fault> {
        match (oauth::provider(platform), self.options.clients.get(&platform)) {
            (Some(provider), Some(client)) => Ok((provider, client)),
            (Some(_), None) => Err(self.not_set_up(platform)),
            (None, _) => Err(Fault::new(
                Code::PlatformNotEnabled,
                format!("{platform} cannot be connected here yet"),
            )
            .rule("platform.not_enabled")
            .on(platform)
            .remedy("Connect another platform.")),
        }
    }

    /// What is known of a platform that people can be sent to.
    ///
    /// # Errors
    /// `platform_not_enabled`, with the settings that are missing.
    pub fn provider(&self, platform: Platform) -> Result<&'static Provider, Fault> {
        self.client(platform).map(|(provider, _)| provider)
    }

    fn not_set_up(&self, platform: Platform) -> Fault {
        let section = format!("oauth.{platform}");
        let variable = section.replace('.', "_").to_uppercase();
        let message =
            format!("{platform} is not set up: {section}.client_id or its client_secret is empty");
        Fault::new(Code::PlatformNotEnabled, message)
            .rule("platform.not_enabled")
            .on(platform)
            .remedy(format!(
                "Register an app at {platform} with the redirect URI {}, then set client_id and \
                 client_secret under [{section}] in config.toml, or FANFARE_{variable}_CLIENT_ID \
                 and FANFARE_{variable}_CLIENT_SECRET, and restart.",
                self.redirect_uri(platform),
            ))
    }

    fn redirect_uri(&self, platform: Platform) -> String {
        format!("{}/v1/accounts/oauth/{platform}/callback", self.options.links.base)
    }

    /// Begins a connect: gives what the client is to do, with the address to send the person to.
    /// `return_to` is where they want to be afterwards, allowed already.
    ///
    /// # Errors
    /// A platform that is not set up, a profile that is not there, too many connects under way.
    pub async fn begin_oauth(
        &self,
        platform: Platform,
        place: Place,
        return_to: Option<String>,
    ) -> Result<Value, Fault> {
        let (provider, client) = self.client(platform)?;
        if let Some(profile) = place.profile() {
            self.get_profile(profile)?;
        }
        let now = (self.options.now)();
        let expires_at = now.plus(STATE_LIFETIME);
        let verifier = provider.pkce.map(|_| Secret::new(URL_SAFE_NO_PAD.encode(self.random())));
        let state = State { platform, place, expires_at, nonce: Digest(self.random()), return_to };
        self.remember(&state, verifier.as_ref(), now).await?;
        let text = state.sign(&self.state_key());
        let redirect_uri = self.redirect_uri(platform);
        let url = client.authorization_url(provider, &redirect_uri, &text, verifier.as_ref());
        let mut descriptor = json!({
            "kind": "oauth",
            "authorizationUrl": url,
            "state": text,
            "scopes": provider.scopes,
            "redirectUri": redirect_uri,
        });
        if let Some(verifier) = &verifier {
            descriptor["codeVerifier"] = json!(verifier.expose());
        }
        Ok(descriptor)
    }

    /// Keeps that a connect is under way, and forgets those that are over.
    async fn remember(
        &self,
        state: &State,
        verifier: Option<&Secret>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (from, to) = (Key::OauthState(Digest([0; 32])), Key::OauthState(Digest([255; 32])));
        let found = self.options.store.scan(&from, &to, Order::Ascending, CONNECTS_PENDING_MAX);
        let found = found.map_err(|problem| unreadable(&problem))?;
        let over =
            |record: &Record| matches!(record, Record::OauthState(it) if it.expires_at <= now);
        let pending = found.iter().filter(|(_, record)| !over(record)).count();
        if pending >= CONNECTS_PENDING_MAX {
            let message = format!("{CONNECTS_PENDING_MAX} connects are under way");
            return Err(Fault::new(Code::RateLimited, message)
                .rule("connect.pending_max")
                .remedy("Finish some of them, or wait ten minutes.")
                .retry_after(60));
        }
        let forgotten = found.iter().filter(|(_, record)| over(record));
        let mut writes: Vec<Write> = forgotten.map(|(key, _)| Write::Delete(*key)).collect();
        let text = json!({ "codeVerifier": verifier.map(Secret::expose) }).to_string();
        let sealed = self.options.seal.seal(owner(state.nonce), &Secret::new(text));
        let sealed = sealed.map_err(|problem| unreadable(&problem))?;
        let key = Key::OauthState(state.nonce);
        let record = OauthStateRecord { sealed, expires_at: state.expires_at };
        writes.push(Write::Put(key, Record::OauthState(record)));
        let kept = self.options.engine.write(vec![(key, None)], writes).await;
        kept.map_err(|problem| match problem {
            WriteError::Raced => unreadable(&problem),
            WriteError::Engine(problem) => busy(&problem),
        })
    }

    /// Reads the state that came back to this platform's address.
    ///
    /// # Errors
    /// See `StateFault`; whether it was redeemed before is not known yet.
    pub fn read_state(&self, platform: Platform, text: &str) -> Result<State, StateFault> {
        State::verify(text, &self.state_key(), platform, (self.options.now)())
    }

    /// Connects the account of a person whom the platform sent back to us.
    ///
    /// # Errors
    /// See `RedeemFault`.
    pub async fn return_oauth(
        &self,
        state: &State,
        code: &Secret,
    ) -> Result<Connected, RedeemFault> {
        let verifier = self.redeem(state).await?;
        let redirect_uri = self.redirect_uri(state.platform);
        let code_verifier = verifier.as_ref();
        let grant = Grant { code, redirect_uri: &redirect_uri, code_verifier };
        let connected = self.connect_oauth(state.platform, &grant, state.place).await;
        connected.map_err(RedeemFault::Fault)
    }

    /// Connects the account of a person whom the platform sent back to a client.
    ///
    /// # Errors
    /// `state` when that is not good, one that was begun for a profile that the caller may not act
    /// on, or what the platform said.
    pub async fn complete_oauth(
        &self,
        platform: Platform,
        input: CompleteOauth,
    ) -> Result<Connected, Fault> {
        let bad = |fault: StateFault| {
            Fault::new(Code::ValidationFailed, fault.message())
                .rule("state")
                .on(platform)
                .remedy("Begin again: POST /v1/accounts/connect/:platform.")
        };
        self.client(platform)?;
        let state = self.read_state(platform, &input.state).map_err(bad)?;
        input.place.may_finish(state.place, platform)?;
        self.redeem(&state).await.map_err(|problem| match problem {
            RedeemFault::State(problem) => bad(problem),
            RedeemFault::Fault(fault) => fault,
        })?;
        let grant = Grant {
            code: &input.code,
            redirect_uri: &input.redirect_uri,
            code_verifier: input.code_verifier.as_ref(),
        };
        self.connect_oauth(platform, &grant, input.place.or(state.place)).await
    }

    /// Uses the state up, for one caller alone, and gives the code verifier that was kept for it.
    async fn redeem(&self, state: &State) -> Result<Option<Secret>, RedeemFault> {
        let key = Key::OauthState(state.nonce);
        let record = match self.options.store.get(&key) {
            Ok(Some(Record::OauthState(record))) => record,
            Ok(_) => return Err(RedeemFault::State(StateFault::Used)),
            Err(problem) => return Err(RedeemFault::Fault(unreadable(&problem))),
        };
        let text = self.options.seal.open_sealed(owner(state.nonce), &record.sealed);
        let text = text.map_err(|problem| RedeemFault::Fault(unreadable(&problem)))?;
        let expect = vec![(key, Some(Record::OauthState(record)))];
        match self.options.engine.write(expect, vec![Write::Delete(key)]).await {
            Ok(()) => {}
            Err(WriteError::Raced) => return Err(RedeemFault::State(StateFault::Used)),
            Err(WriteError::Engine(problem)) => return Err(RedeemFault::Fault(busy(&problem))),
        }
        let value: Value = serde_json::from_str(text.expose()).unwrap_or_default();
        Ok(value["codeVerifier"].as_str().map(Secret::new))
    }

    async fn connect_oauth(
        &self,
        platform: Platform,
        grant: &Grant<'_>,
        place: Place,
    ) -> Result<Connected, Fault> {
        let (provider, client) = self.client(platform)?;
        let upstream = &self.options.upstream;
        let request = client.exchange(provider, grant);
        let answer = upstream.send(&request, None, None, SESSION_TIMEOUT).await;
        let tokens = oauth::read_tokens(provider, Offer::Code, &answer);
        let tokens = tokens.map_err(OauthFault::into_fault)?;
        let token = Some(&tokens.access);
        let answer = upstream.send(&client.identity(), token, None, SESSION_TIMEOUT).await;
        let identity = oauth::read_identity(provider, &answer).map_err(OauthFault::into_fault)?;
        let settings = match &tokens.scope {
            Some(scope) => json!({ "grantedScopes": scope }),
            None => json!({}),
        };
        let mut settings = settings.to_string();
        if platform == Platform::Pinterest {
            let base_url = &client.endpoints.api_url;
            settings = self.with_first_board(settings, base_url, &tokens.access).await;
        }
        let draft = AccountDraft {
            platform,
            platform_account_id: identity.id,
            display_name: identity.name,
            settings,
            token_expires_at: Some(tokens.expires_at),
        };
        let credential = Credential::Oauth(OauthCredential::new(tokens, None));
        self.upsert(draft, place, Some(&credential.to_text())).await
    }

    fn state_key(&self) -> hmac::Key {
        self.options.seal.signing_key(STATE_LABEL)
    }

    fn random(&self) -> [u8; 32] {
        let dice = &self.options.dice;
        let mut out = [0; 32];
        out[..16].copy_from_slice(&dice().to_be_bytes());
        out[16..].copy_from_slice(&dice().to_be_bytes());
        out
    }
}

/// What a connect is sealed for.
fn owner(nonce: Digest) -> u128 {
    let (first, _) = nonce.0.split_at(16);
    first.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}
