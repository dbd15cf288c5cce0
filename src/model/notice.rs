//! What the world is told: notices, and the webhook endpoints that hear them. On the wire a notice
//! is called an event.

use super::{DeliveryId, EndpointId, Millis, NoticeId, RequestId, Timestamp};

/// What a notice is about. Names of the hosted service's billing are known, so that filters copied
/// from there stay valid; this server never says them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// A post was accepted for later, or is to be tried again.
    PostQueued,
    /// Known, never said.
    PostValidated,
    /// A post is live.
    PostPublished,
    /// A post was refused.
    PostRejected,
    /// A post failed, or nobody knows what became of it.
    PostFailed,
    /// A queued post was canceled.
    PostCanceled,
    /// A queued post got another time.
    PostRescheduled,
    /// A queued post got another content.
    PostUpdated,
    /// An account's credential runs out soon.
    TokenExpiring,
    /// An account's credential was refused for good.
    TokenRevoked,
    /// A platform's API version runs out soon.
    VersionDeprecated,
    /// Known, never said.
    SubscriptionActivated,
    /// Known, never said.
    SubscriptionCancelled,
    /// Known, never said.
    SubscriptionTierChanged,
    /// Known, never said.
    QuotaWarning,
    /// Known, never said.
    QuotaExceeded,
    /// Known, never said.
    BillingPaymentFailed,
    /// Known, never said.
    BillingDelinquent,
    /// Known, never said.
    BillingRecovered,
}

impl NoticeKind {
    /// Every kind, in the order of the contract.
    pub const ALL: [Self; 19] = [
        Self::PostQueued,
        Self::PostValidated,
        Self::PostPublished,
        Self::PostRejected,
        Self::PostFailed,
        Self::PostCanceled,
        Self::PostRescheduled,
        Self::PostUpdated,
        Self::TokenExpiring,
        Self::TokenRevoked,
        Self::VersionDeprecated,
        Self::SubscriptionActivated,
        Self::SubscriptionCancelled,
        Self::SubscriptionTierChanged,
        Self::QuotaWarning,
        Self::QuotaExceeded,
        Self::BillingPaymentFailed,
        Self::BillingDelinquent,
        Self::BillingRecovered,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PostQueued => "post.queued",
            Self::PostValidated => "post.validated",
            Self::PostPublished => "post.published",
            Self::PostRejected => "post.rejected",
            Self::PostFailed => "post.failed",
            Self::PostCanceled => "post.canceled",
            Self::PostRescheduled => "post.rescheduled",
            Self::PostUpdated => "post.updated",
            Self::TokenExpiring => "token.expiring",
            Self::TokenRevoked => "token.revoked",
            Self::VersionDeprecated => "version.deprecated",
            Self::SubscriptionActivated => "subscription.activated",
            Self::SubscriptionCancelled => "subscription.cancelled",
            Self::SubscriptionTierChanged => "subscription.tier_changed",
            Self::QuotaWarning => "quota.warning",
            Self::QuotaExceeded => "quota.exceeded",
            Self::BillingPaymentFailed => "billing.payment_failed",
            Self::BillingDelinquent => "billing.delinquent",
            Self::BillingRecovered => "billing.recovered",
        }
    }

    /// The kind of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Something the world is told, once, under one id. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id; ids of one store grow, so they are also the order.
    pub id: NoticeId,
    /// What it is about.
    pub kind: NoticeKind,
    /// When it came to be.
    pub at: Timestamp,
    /// The request that caused it, if one did.
    pub request: Option<RequestId>,
    /// What it says: a JSON object.
    pub data: String,
}

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Where notices go, exactly as it was given.
    pub url: String,
    /// What it wants to hear; empty means everything.
    pub kinds: Vec<NoticeKind>,
    /// A remark for people.
    pub description: Option<String>,
    /// Whether it is delivered to.
    pub active: bool,
    /// Its signing secret, sealed.
    pub secret: Vec<u8>,
    /// The secret before that one, which still signs for a while.
    pub retiring: Option<RetiringSecret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A signing secret that was replaced and still signs beside its successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiringSecret {
    /// The secret, sealed.
    pub secret: Vec<u8>,
    /// Until when it signs.
    pub until: Timestamp,
}

/// How deliveries to an endpoint went lately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointHealth {
    /// When a notice last arrived there.
    pub delivered_at: Option<Timestamp>,
    /// Why the last attempt failed, unless one has succeeded since.
    pub failure: Option<String>,
}

/// One notice on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made in this round.
    pub attempts: u32,
    /// Attempts made in all: numbers their records.
    pub logged: u32,
}

impl Delivery {
    /// A delivery that is to be attempted at this instant, for the first time.
    pub const fn fresh(at: Timestamp) -> Self {
        Self { state: DeliveryState::Due { at }, attempts: 0, logged: 0 }
    }

    /// When it is to be attempted, if it still is.
    pub const fn due(&self) -> Option<Timestamp> {
        match self.state {
            DeliveryState::Due { at } => Some(at),
            DeliveryState::Delivered { .. } | DeliveryState::Failed { .. } => None,
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be attempted at this instant.
    Due {
        /// The instant.
        at: Timestamp,
    },
    /// It arrived.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It was given up.
    Failed {
        /// When.
        at: Timestamp,
        /// Why, in words.
        why: String,
    },
}

/// What came of one attempt at a delivery. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// Its id, which the endpoint was told.
    pub id: DeliveryId,
    /// Which attempt of its round it was, from 1.
    pub number: u32,
    /// What was delivered.
    pub kind: NoticeKind,
    /// When it began.
    pub began_at: Timestamp,
    /// How long it took.
    pub duration: Millis,
    /// The endpoint's status, if it answered.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// The start of its answer.
    pub answer: Option<String>,
    /// Whether the notice arrived.
    pub ok: bool,
}
