//! The platforms a target may name.

use std::fmt;
use std::str::FromStr;

use super::IdError;

/// A social platform, or our own sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Bluesky and every other AT Protocol host.
    Bluesky,
    /// Facebook Pages.
    Facebook,
    /// Instagram professional accounts.
    Instagram,
    /// LinkedIn members and organizations.
    Linkedin,
    /// Pinterest.
    Pinterest,
    /// Threads.
    Threads,
    /// TikTok.
    Tiktok,
    /// X, always spelled `twitter` on the wire.
    Twitter,
    /// The built-in platform that publishes to a local timeline.
    Sandbox,
}

impl Platform {
    /// Every platform, in the order the wire lists them.
    pub const ALL: [Self; 9] = [
        Self::Bluesky,
        Self::Facebook,
        Self::Instagram,
        Self::Linkedin,
        Self::Pinterest,
        Self::Threads,
        Self::Tiktok,
        Self::Twitter,
        Self::Sandbox,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bluesky => "bluesky",
            Self::Facebook => "facebook",
            Self::Instagram => "instagram",
            Self::Linkedin => "linkedin",
            Self::Pinterest => "pinterest",
            Self::Threads => "threads",
            Self::Tiktok => "tiktok",
            Self::Twitter => "twitter",
            Self::Sandbox => "sandbox",
        }
    }

    /// Whether it is one of Meta's, whose apps share an owner and their people.
    pub const fn is_of_meta(self) -> bool {
        matches!(self, Self::Facebook | Self::Instagram | Self::Threads)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Platform {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL
            .into_iter()
            .find(|platform| platform.as_str() == text)
            .ok_or(IdError { expected: "a platform name" })
    }
}
