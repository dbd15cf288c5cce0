//! The app at a platform, and the requests it makes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::provider::{Challenge, ClientAuth, Endpoints, Provider};
use crate::model::Secret;
use crate::platforms::{Body, Reach, Request};

/// The app that the operator registered at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its public id.
    pub id: String,
    /// What only it and the platform know.
    pub secret: Secret,
    /// Where the platform is.
    pub endpoints: Endpoints<String>,
}

/// What a person's consent is redeemed with.
#[derive(Debug)]
pub struct Grant<'a> {
    /// The code.
    pub code: &'a Secret,
    /// Where the platform sent the person.
    pub redirect_uri: &'a str,
    /// The text that the challenge was made of, where there was one.
    pub code_verifier: Option<&'a Secret>,
}

impl Client {
    /// The address at which a person consents.
    pub fn authorization_url(
        &self,
        provider: &Provider,
        redirect_uri: &str,
        state: &str,
        code_verifier: Option<&Secret>,
    ) -> String {
        let mut query = Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair(provider.client_id_name, &self.id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &provider.scopes.join(provider.scope_separator))
            .append_pair("state", state);
        if let (Some(kind), Some(verifier)) = (provider.pkce, code_verifier) {
            query
                .append_pair("code_challenge", &challenge(kind, verifier))
                .append_pair("code_challenge_method", "S256");
        }
        // A plus sign is a space in forms alone; %20 is one everywhere.
        let query = query.finish().replace('+', "%20");
        let base = &self.endpoints.authorize_url;
        let joint = if base.contains('?') { '&' } else { '?' };
        format!("{base}{joint}{query}")
    }

    /// Exchanges a code for tokens.
    pub fn exchange(&self, provider: &Provider, grant: &Grant<'_>) -> Request {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", grant.code.expose()),
            ("redirect_uri", grant.redirect_uri),
        ];
        if let Some(verifier) = grant.code_verifier {
            fields.push(("code_verifier", verifier.expose()));
        }
        self.for_tokens(provider, fields)
    }

    /// Exchanges a refresh token for tokens.
    pub fn refresh(&self, provider: &Provider, refresh_token: &Secret) -> Request {
        let fields =
            vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
        self.for_tokens(provider, fields)
    }

    /// Asks who consented, with the access token as bearer.
    pub fn identity(&self) -> Request {
        Request {
            method: "GET",
            url: self.endpoints.identity_url.clone(),
            headers: vec![("accept", "application/json".to_owned())],
            bearer: true,
            body: Body::Empty,
            reach: Reach::Public,
            fault: None,
        }
    }

    fn for_tokens<'a>(&'a self, provider: &Provider, fields: Vec<(&'a str, &'a str)>) -> Request {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(fields);
        if let Some((name, value)) = provider.token_field {
            form.append_pair(name, value);
        }
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        match provider.client_auth {
            ClientAuth::Basic => headers.push(("authorization", self.basic())),
            ClientAuth::Form => {
                form.append_pair(provider.client_id_name, &self.id)
                    .append_pair("client_secret", self.secret.expose());
            }
        }
        Request {
            method: "POST",
            url: self.endpoints.token_url.clone(),
            headers,
            bearer: false,
            body: Body::Bytes(form.finish().into_bytes()),
            reach: Reach::Public,
            fault: None,
        }
    }

    /// RFC 6749, 2.3.1: both parts are encoded as in a form before they are joined.
    fn basic(&self) -> String {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let both = format!("{}:{}", encoded(&self.id), encoded(self.secret.expose()));
        format!("Basic {}", STANDARD.encode(both))
    }
}

/// What the platform is shown of a code verifier beforehand.
pub fn challenge(kind: Challenge, code_verifier: &Secret) -> String {
    let bytes = code_verifier.expose().as_bytes();
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    match kind {
        Challenge::Base64Url => URL_SAFE_NO_PAD.encode(hash),
        Challenge::Hex => hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
