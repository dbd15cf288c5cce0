//! Profiles: groups of accounts, made, renamed and removed.

use super::access::{Accounts, unreadable};
use crate::engine::{Expect, Records};
use crate::model::{ApiKey, Code, Fault, PROFILES_MAX, Profile, ProfileId};
use crate::store::{Key, Order, Record, Write};
use crate::wire::{self, ProfilePatch, ProfileRequest};

impl Accounts {
    /// Every profile, oldest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn profiles(&self) -> Result<Vec<Profile>, Fault> {
        let (from, to) = (ProfileId::from_raw(0), ProfileId::from_raw(u128::MAX));
        let (from, to) = (Key::Profile(from), Key::Profile(to));
        let found = self.options.store.scan(&from, &to, Order::Ascending, PROFILES_MAX);
        let found = found.map_err(|problem| unreadable(&problem))?;
        let profiles = found.into_iter().filter_map(|(_, record)| match record {
            Record::Profile(profile) => Some(profile),
            _ => None,
        });
        let mut profiles: Vec<Profile> = profiles.collect();
        profiles.sort_by_key(|profile| (profile.created_at, profile.id));
        Ok(profiles)
    }

    /// One profile.
    ///
    /// # Errors
    /// `not_found`, rule `profile.unknown`.
    pub fn get_profile(&self, id: ProfileId) -> Result<Profile, Fault> {
        match self.options.store.get(&Key::Profile(id)) {
            Ok(Some(Record::Profile(profile))) => Ok(profile),
            Ok(_) => Err(unknown(id)),
            Err(problem) => Err(unreadable(&problem)),
        }
    }

    /// What makes a profile.
    ///
    /// # Errors
    /// A conflict, rule `profile.slug.unique`, when another has its short name.
    pub fn plan_profile(&self, asked: ProfileRequest) -> Result<(Records, Profile), Fault> {
        let now = (self.options.now)();
        let spare: String = format!("{:032x}", (self.options.dice)()).chars().take(6).collect();
        let slug = asked.slug.unwrap_or_else(|| wire::slug_of(&asked.name, &spare));
        let all = self.profiles()?;
        if all.len() >= PROFILES_MAX {
            let message = format!("there are {PROFILES_MAX} profiles already");
            let fault = Fault::new(Code::ValidationFailed, message).rule("profiles.max");
            return Err(fault.remedy("Delete one that is not needed.").status(409));
        }
        unique(&all, &slug, None)?;
        let id = ProfileId::v7(now, (self.options.dice)());
        let profile = Profile { id, name: asked.name, slug, created_at: now, updated_at: now };
        Ok((replace(None, profile.clone()), profile))
    }

    /// What renames a profile.
    ///
    /// # Errors
    /// `not_found`; a conflict when another has the short name, or the default one would lose its.
    pub fn plan_profile_patch(
        &self,
        id: ProfileId,
        patch: ProfilePatch,
    ) -> Result<(Records, Profile), Fault> {
        let old = self.get_profile(id)?;
        let slug = patch.slug.unwrap_or_else(|| old.slug.clone());
        if old.is_default() && slug != old.slug {
            return Err(protected("keeps its short name"));
        }
        unique(&self.profiles()?, &slug, Some(id))?;
        let name = patch.name.unwrap_or_else(|| old.name.clone());
        let profile = Profile { name, slug, updated_at: (self.options.now)(), ..old.clone() };
        Ok((replace(Some(old), profile.clone()), profile))
    }

    /// Removes a profile. No account can be connected to it meanwhile.
    ///
    /// # Errors
    /// As the plan says, or when it cannot be stored.
    pub async fn remove_profile(&self, id: ProfileId) -> Result<(), Fault> {
        let _none = self.connecting.lock().await;
        let records = self.plan_profile_removal(id)?;
        self.options.engine.record(records).await.map(drop).map_err(|problem| unreadable(&problem))
    }

    /// What removes a profile, and revokes the keys that are limited to it.
    ///
    /// # Errors
    /// `not_found`; a conflict while it has accounts, or when it is the default one.
    fn plan_profile_removal(&self, id: ProfileId) -> Result<Records, Fault> {
        let old = self.get_profile(id)?;
        if old.is_default() {
            return Err(protected("cannot be deleted"));
        }
        let accounts = self.list(Some(id))?.len();
        if accounts > 0 {
            let message = format!("the profile still has {accounts} accounts");
            return Err(Fault::new(Code::ValidationFailed, message)
                .rule("profile.delete.not_empty")
                .remedy("Remove its accounts first: DELETE /v1/accounts/:id.")
                .status(409));
        }
        let now = (self.options.now)();
        let key = Key::Profile(id);
        let mut records = Records {
            expect: vec![Expect::Is(key, Some(Record::Profile(old)))],
            writes: vec![Write::Delete(key)],
            ..Records::default()
        };
        let keys = self.list_keys()?.into_iter();
        for key in keys.filter(|key| key.profile == Some(id) && key.revoked_at.is_none()) {
            let revoked = ApiKey { revoked_at: Some(now), ..key };
            records.writes.push(Write::Put(Key::ApiKey(revoked.hash), Record::ApiKey(revoked)));
        }
        Ok(records)
    }
}

fn unique(all: &[Profile], slug: &str, own: Option<ProfileId>) -> Result<(), Fault> {
    match all.iter().find(|profile| profile.slug == slug && Some(profile.id) != own) {
        None => Ok(()),
        Some(other) => {
            let message = format!("the profile {:?} has the slug {slug:?} already", other.name);
            Err(Fault::new(Code::ValidationFailed, message)
                .rule("profile.slug.unique")
                .remedy("Choose another slug.")
                .status(409))
        }
    }
}

fn replace(old: Option<Profile>, new: Profile) -> Records {
    let key = Key::Profile(new.id);
    Records {
        expect: vec![Expect::Is(key, old.map(Record::Profile))],
        writes: vec![Write::Put(key, Record::Profile(new))],
        ..Records::default()
    }
}

fn protected(what: &str) -> Fault {
    Fault::new(Code::ValidationFailed, format!("the default profile {what}"))
        .rule("profile.default.protected")
        .remedy("Leave it as it is: accounts and uploads that name no profile go there.")
        .status(409)
}

pub(super) fn unknown(id: impl std::fmt::Display) -> Fault {
    Fault::new(Code::NotFound, format!("there is no profile {id}"))
        .rule("profile.unknown")
        .remedy("GET /v1/profiles lists the profiles there are.")
}
