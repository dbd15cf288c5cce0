//! Who may publish where: accounts, profiles and API keys.

use super::{AccountId, Digest, KeyId, Platform, ProfileId, Timestamp};

/// One connected identity on one platform. Credentials are kept apart, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The profile that owns it.
    pub profile: ProfileId,
    /// Its platform.
    pub platform: Platform,
    /// The platform's own id: a DID, a page id.
    pub platform_account_id: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// The platform's public settings as a JSON object (`pdsUrl`, `handle`); no secrets.
    pub settings: String,
    /// When its credential runs out, if it does.
    pub token_expires_at: Option<Timestamp>,
    /// When it was connected.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A group of accounts, one per client or brand. The one with slug `default` always exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: ProfileId,
    /// Its name.
    pub name: String,
    /// Its unique short name.
    pub slug: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Profile {
    /// The short name of the profile that always exists.
    pub const DEFAULT_SLUG: &'static str = "default";

    /// Whether it is the one that always exists.
    pub fn is_default(&self) -> bool {
        self.slug == Self::DEFAULT_SLUG
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// List and read posts.
    PostsRead,
    /// Create, change and cancel posts.
    PostsWrite,
    /// Connect and remove accounts, manage keys.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::PostsRead, Self::PostsWrite, Self::Admin];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PostsRead => "posts:read",
            Self::PostsWrite => "posts:write",
            Self::Admin => "admin",
        }
    }
}

/// Live or test, as the first nine characters of a key say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPrefix {
    /// `lmp_live_`.
    Live,
    /// `lmp_test_`.
    Test,
}

impl KeyPrefix {
    /// The prefix on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "lmp_live_",
            Self::Test => "lmp_test_",
        }
    }
}

/// One API key; its plaintext is shown once and never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// SHA-256 of the whole plaintext.
    pub hash: Digest,
    /// A name for people.
    pub name: String,
    /// Live or test.
    pub prefix: KeyPrefix,
    /// The last four characters of the plaintext.
    pub last4: String,
    /// What it may do, as given; unknown words are kept and mean nothing.
    pub scopes: Vec<String>,
    /// The one profile it may act on, if it is limited to one.
    pub profile: Option<ProfileId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked; a revoked key opens nothing.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it grants `scope`. An empty list grants reading and writing posts.
    pub fn grants(&self, scope: Scope) -> bool {
        if self.scopes.is_empty() {
            return scope != Scope::Admin;
        }
        self.scopes.iter().any(|held| held == scope.as_str())
    }
}
