//! What went wrong, in the one shape the wire knows.

use super::Platform;

/// The error codes of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The request breaks a rule of ours.
    ValidationFailed,
    /// The content breaks a documented rule of a platform.
    PreflightFailed,
    /// The platform refused our credential.
    PlatformAuthFailed,
    /// The platform refused for another reason.
    PlatformRejected,
    /// The platform could not be reached, did not answer, or answered nonsense.
    PlatformUnavailable,
    /// A mistake or a failure of ours.
    InternalError,
    /// No valid credential came with the request.
    Unauthenticated,
    /// The credential does not reach this far.
    Unauthorized,
    /// No such thing, or not for this caller.
    NotFound,
    /// The idempotency key is bound to another request.
    IdempotencyConflict,
    /// Too many requests.
    RateLimited,
    /// The operator has not set this platform up.
    PlatformNotEnabled,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 12] = [
        Self::ValidationFailed,
        Self::PreflightFailed,
        Self::PlatformAuthFailed,
        Self::PlatformRejected,
        Self::PlatformUnavailable,
        Self::InternalError,
        Self::Unauthenticated,
        Self::Unauthorized,
        Self::NotFound,
        Self::IdempotencyConflict,
        Self::RateLimited,
        Self::PlatformNotEnabled,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ValidationFailed => "validation_failed",
            Self::PreflightFailed => "preflight_failed",
            Self::PlatformAuthFailed => "platform_auth_failed",
            Self::PlatformRejected => "platform_rejected",
            Self::PlatformUnavailable => "platform_unavailable",
            Self::InternalError => "internal_error",
            Self::Unauthenticated => "unauthenticated",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::RateLimited => "rate_limited",
            Self::PlatformNotEnabled => "platform_not_enabled",
        }
    }

    /// The HTTP status of a whole request that fails with this code, unless the fault says other.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::ValidationFailed | Self::PreflightFailed => 400,
            Self::PlatformAuthFailed | Self::Unauthenticated => 401,
            Self::Unauthorized | Self::PlatformNotEnabled => 403,
            Self::NotFound => 404,
            Self::IdempotencyConflict => 409,
            Self::RateLimited => 429,
            Self::InternalError => 500,
            Self::PlatformRejected => 502,
            Self::PlatformUnavailable => 503,
        }
    }
}

/// How far a failed publish got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SendOutcome {
    /// Nothing reached the platform.
    NotSent,
    /// The platform said no.
    Rejected,
    /// It was sent, and whether it took effect is not known.
    Unknown,
}

impl SendOutcome {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }
}

/// One failure, complete enough to act on. Kept in the journal and rendered by `wire`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code.
    pub code: Code,
    /// What happened, for a person.
    pub message: String,
    /// The rule that was broken.
    pub rule: Option<String>,
    /// The platform concerned.
    pub platform: Option<Platform>,
    /// The platform's raw answer, or structured hints, as JSON text.
    pub platform_response: Option<String>,
    /// What to do next.
    pub remediation: Option<String>,
    /// How far it got, where something was to be sent.
    pub outcome: Option<SendOutcome>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The HTTP status, where it differs from the code's own.
    pub status: Option<u16>,
    /// How long to wait before trying again, in seconds (the `Retry-After` header).
    pub retry_after_s: Option<u32>,
}

impl Fault {
    /// A fault with a code and a message; the rest is added with the methods below.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            rule: None,
            platform: None,
            platform_response: None,
            remediation: None,
            outcome: None,
            retryable: false,
            status: None,
            retry_after_s: None,
        }
    }

    /// Names the rule.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Names the platform.
    #[must_use]
    pub fn on(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn remedy(mut self, remediation: impl Into<String>) -> Self {
        self.remediation = Some(remediation.into());
        self
    }

    /// Adds the platform's answer or structured hints, as JSON text.
    #[must_use]
    pub fn response(mut self, json: impl Into<String>) -> Self {
        self.platform_response = Some(json.into());
        self
    }

    /// Says how far it got.
    #[must_use]
    pub fn outcome(mut self, outcome: SendOutcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Marks it as worth trying again.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Sets another HTTP status than the code's.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the `Retry-After` header, in seconds.
    #[must_use]
    pub fn retry_after(mut self, secs: u32) -> Self {
        self.retry_after_s = Some(secs);
        self.retryable = true;
        self
    }

    /// The HTTP status of a whole request that fails so.
    pub fn http_status(&self) -> u16 {
        self.status.unwrap_or(self.code.http_status())
    }
}
