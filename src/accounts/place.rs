//! Where an account goes that is connected.

use crate::model::{Account, Code, Fault, Platform, ProfileId};

/// Where a new account goes, and which known ones whoever connects it may renew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// To the default profile; a known account is renewed wherever it is.
    #[default]
    Default,
    /// To this profile; a known account is renewed wherever it is.
    Profile(ProfileId),
    /// To this profile, and nothing of another is touched: who connects is limited to it.
    Only(ProfileId),
}

impl Place {
    /// The profile for a new account, if it is not the default one.
    pub fn profile(self) -> Option<ProfileId> {
        match self {
            Self::Default => None,
            Self::Profile(id) | Self::Only(id) => Some(id),
        }
    }

    /// This place, or `other` where none was named.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::Default { other } else { self }
    }

    /// Whether whoever is limited to this place may finish a connect that was begun for another.
    /// Such a one brings only what was begun where they may act, so that they use up nobody else's
    /// state and take nobody else's code.
    ///
    /// # Errors
    /// `not_found`, rule `api_key.profile_scope`.
    pub(super) fn may_finish(self, begun_for: Self, platform: Platform) -> Result<(), Fault> {
        match self {
            Self::Only(own) if begun_for.profile() != Some(own) => {
                let message = "this connect was begun for a profile that the key may not act on";
                Err(Fault::new(Code::NotFound, message)
                    .rule("api_key.profile_scope")
                    .on(platform)
                    .remedy("Begin it with this key: POST /v1/accounts/connect/:platform."))
            }
            _ => Ok(()),
        }
    }

    /// Whether a known account may be renewed. A platform's account is connected once, so that it
    /// cannot be connected here as well; and who is limited to another profile is told no more of
    /// it.
    ///
    /// # Errors
    /// `not_found`, rule `api_key.profile_scope`.
    pub(super) fn admits(self, known: &Account) -> Result<(), Fault> {
        match self {
            Self::Only(own) if own != known.profile => {
                let message = format!(
                    "this {} account is connected in a profile that the key may not act on",
                    known.platform,
                );
                Err(Fault::new(Code::NotFound, message)
                    .rule("api_key.profile_scope")
                    .on(known.platform)
                    .remedy(
                        "Connect it with a key that may act on that profile; or have it removed \
                         there first: DELETE /v1/accounts/:id.",
                    ))
            }
            _ => Ok(()),
        }
    }
}
