//! Which version of each platform's API is spoken.

use crate::model::{Platform, Timestamp};

/// A version counts as deprecated this long before it ends.
const NOTICE_DAYS: u64 = 90;

/// The version of one platform's API that this program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersion {
    /// The platform.
    pub platform: Platform,
    /// The version, in the platform's words.
    pub version: &'static str,
    /// The day it ends, as the platform announced it; `None` where it announced none.
    pub sunset_at: Option<&'static str>,
}

/// The versions, one line each. AT Protocol has none: its lexicons only grow.
pub const VERSIONS: [ApiVersion; 2] = [
    ApiVersion { platform: Platform::Bluesky, version: "unversioned", sunset_at: None },
    ApiVersion { platform: Platform::Sandbox, version: "v1", sunset_at: None },
];

impl ApiVersion {
    /// Whether it ends within 90 days.
    pub fn is_deprecated(&self, now: Timestamp) -> bool {
        let ends = self.sunset_at.and_then(|text| text.parse::<Timestamp>().ok());
        ends.is_some_and(|ends| ends.since(now).0 < NOTICE_DAYS * 86_400_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_deprecated_ninety_days_before_its_end() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let ends = Some("2027-05-01T00:00:00Z");
        let version = ApiVersion { platform: Platform::Linkedin, version: "x", sunset_at: ends };
        assert!(!version.is_deprecated(at("2027-01-30T23:59:59Z")));
        assert!(version.is_deprecated(at("2027-01-31T00:00:01Z")));
        assert!(version.is_deprecated(at("2028-01-01T00:00:00Z")));
        let read = |version: &ApiVersion| {
            version.sunset_at.is_none_or(|text| text.parse::<Timestamp>().is_ok())
        };
        assert!(VERSIONS.iter().all(read), "every end is a time");
    }
}
