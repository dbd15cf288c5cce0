//! What is known of each platform's OAuth server, in one table.

use crate::model::{Millis, Platform};

const HOUR: Millis = Millis::from_secs(3_600);
const DAYS_7: Millis = Millis::from_secs(7 * 86_400);

/// The OAuth server of a platform.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The platform.
    pub platform: Platform,
    /// Where it is.
    pub endpoints: Endpoints<&'static str>,
    /// What the app asks the person for.
    pub scopes: &'static [&'static str],
    /// What stands between scopes.
    pub scope_separator: &'static str,
    /// How the proof of RFC 7636 is made, where the platform takes one.
    pub pkce: Option<Challenge>,
    /// How the app says who it is when it asks for tokens.
    pub client_auth: ClientAuth,
    /// What the app's id is called.
    pub client_id_name: &'static str,
    /// A field of its own that every request for tokens carries.
    pub token_field: Option<(&'static str, &'static str)>,
    /// The path to the account's permanent id in the identity.
    pub id_path: &'static [&'static str],
    /// The path to its name for people.
    pub name_path: &'static [&'static str],
    /// How long an access token lives where the answer does not say.
    pub access_lifetime: Millis,
    /// How long before its end an access token is replaced.
    pub refresh_before: Millis,
}

/// The addresses of an OAuth server, and of the API it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints<T> {
    /// Where the person consents.
    pub authorize_url: T,
    /// Where tokens are handed out.
    pub token_url: T,
    /// What says who consented.
    pub identity_url: T,
    /// The base of the platform's API, without a trailing slash.
    pub api_url: T,
}

/// How the proof of a code is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// As RFC 7636 says.
    Base64Url,
    /// In hexadecimal digits.
    Hex,
}

/// How an app says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the `Authorization` header.
    Basic,
    /// Among the fields of the form.
    Form,
}

/// The provider of a platform that is connected in this way.
pub fn provider(platform: Platform) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.platform == platform)
}

/// Every provider.
pub const PROVIDERS: [Provider; 4] = [LINKEDIN, PINTEREST, TIKTOK, TWITTER];

// https://learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow
// Only approved partners get refresh tokens; they last 365 days from the first consent.
const LINKEDIN: Provider = Provider {
    platform: Platform::Linkedin,
    endpoints: Endpoints {
        authorize_url: "https://www.linkedin.com/oauth/v2/authorization",
        token_url: "https://www.linkedin.com/oauth/v2/accessToken",
        identity_url: "https://api.linkedin.com/v2/userinfo",
        api_url: "https://api.linkedin.com",
    },
    scopes: &["openid", "profile", "w_member_social"],
    scope_separator: " ",
    pkce: None,
    client_auth: ClientAuth::Form,
    client_id_name: "client_id",
    token_field: None,
    id_path: &["sub"],
    name_path: &["name"],
    access_lifetime: Millis::from_secs(60 * 86_400),
    refresh_before: DAYS_7,
};

// https://developers.pinterest.com/docs/getting-started/set-up-authentication-and-authorization/
// Refresh tokens roll for 60 days; older apps get that only when they ask for it by the field.
const PINTEREST: Provider = Provider {
    platform: Platform::Pinterest,
    endpoints: Endpoints {
        authorize_url: "https://www.pinterest.com/oauth/",
        token_url: "https://api.pinterest.com/v5/oauth/token",
        identity_url: "https://api.pinterest.com/v5/user_account",
        api_url: "https://api.pinterest.com",
    },
    scopes: &["boards:read", "boards:write", "pins:read", "pins:write", "user_accounts:read"],
    scope_separator: ",",
    pkce: None,
    client_auth: ClientAuth::Basic,
    client_id_name: "client_id",
    token_field: Some(("continuous_refresh", "true")),
    id_path: &["id"],
    name_path: &["username"],
    access_lifetime: Millis::from_secs(30 * 86_400),
    refresh_before: DAYS_7,
};

// https://developers.tiktok.com/doc/oauth-user-access-token-management and login-kit-desktop
// Refresh tokens roll for 365 days. Where the proof is checked at all it is in hexadecimal.
const TIKTOK: Provider = Provider {
    platform: Platform::Tiktok,
    endpoints: Endpoints {
        authorize_url: "https://www.tiktok.com/v2/auth/authorize/",
        token_url: "https://open.tiktokapis.com/v2/oauth/token/",
        identity_url: "https://open.tiktokapis.com/v2/user/info/\
                       ?fields=open_id,union_id,display_name",
        api_url: "https://open.tiktokapis.com",
    },
    scopes: &["user.info.basic", "video.upload", "video.publish", "video.list"],
    scope_separator: ",",
    pkce: Some(Challenge::Hex),
    client_auth: ClientAuth::Form,
    client_id_name: "client_key",
    token_field: None,
    id_path: &["data", "user", "open_id"],
    name_path: &["data", "user", "display_name"],
    access_lifetime: Millis::from_secs(86_400),
    refresh_before: HOUR,
};

// https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code
// A refresh token is good for one refresh; `offline.access` is what brings it.
const TWITTER: Provider = Provider {
    platform: Platform::Twitter,
    endpoints: Endpoints {
        authorize_url: "https://x.com/i/oauth2/authorize",
        token_url: "https://api.x.com/2/oauth2/token",
        identity_url: "https://api.x.com/2/users/me",
        api_url: "https://api.x.com",
    },
    scopes: &["tweet.read", "tweet.write", "users.read", "offline.access", "media.write"],
    scope_separator: " ",
    pkce: Some(Challenge::Base64Url),
    client_auth: ClientAuth::Basic,
    client_id_name: "client_id",
    token_field: None,
    id_path: &["data", "id"],
    name_path: &["data", "username"],
    access_lifetime: Millis::from_secs(2 * 3_600),
    refresh_before: Millis::from_secs(900),
};
