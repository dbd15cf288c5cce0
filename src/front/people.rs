//! Profiles and API keys over HTTP.

use std::sync::Arc;

use super::handlers::{Asked, Handlers, blocking};
use super::reply::{self, Answer};
use super::route::{KeyRoute, ProfileRoute};
use crate::admission::{self, Caller};
use crate::model::{Code, Fault, KeyId, Profile, ProfileId};
use crate::wire::{self, KeyRequest};

/// Answers a request about profiles.
///
/// # Errors
/// What is answered instead.
pub(super) async fn profiles(
    front: &Handlers,
    asked: Asked,
    route: ProfileRoute<'_>,
) -> Result<Answer, Fault> {
    let accounts = Arc::clone(&front.accounts);
    match route {
        ProfileRoute::List => {
            let own = asked.caller.key.profile;
            let all = blocking(move || accounts.profiles()).await?;
            let seen = |profile: &Profile| own.is_none_or(|own| own == profile.id);
            let shown: Vec<Profile> = all.into_iter().filter(seen).collect();
            front.durable().await?;
            Ok(reply::json(200, wire::profiles_body(&shown)))
        }
        ProfileRoute::Read(id) => {
            let id = profile_id(&asked.caller, id)?;
            let profile = blocking(move || accounts.get_profile(id)).await?;
            front.durable().await?;
            Ok(reply::json(200, wire::profile_reply(200, &profile).body))
        }
        ProfileRoute::Create => {
            let route = ("POST", "/v1/profiles");
            front
                .recorded(asked, route, false, move |caller, body| {
                    if caller.key.profile.is_some() {
                        return Err(one_profile());
                    }
                    let (records, profile) = accounts.plan_profile(wire::parse_profile(body)?)?;
                    Ok((records, wire::profile_reply(201, &profile)))
                })
                .await
        }
        ProfileRoute::Patch(id) => {
            let path = format!("/v1/profiles/{id}");
            let id = id.to_owned();
            front
                .recorded(asked, ("PATCH", &path), false, move |caller, body| {
                    let patch = wire::parse_profile_patch(body)?;
                    let id = profile_id(caller, &id)?;
                    let (records, profile) = accounts.plan_profile_patch(id, patch)?;
                    Ok((records, wire::profile_reply(200, &profile)))
                })
                .await
        }
        ProfileRoute::Remove(id) => {
            let path = format!("/v1/profiles/{id}");
            let (id, caller) = (id.to_owned(), asked.caller.clone());
            let work = async move |_| {
                let id = profile_id(&caller, &id)?;
                accounts.remove_profile(id).await?;
                Ok(wire::deleted_reply(id))
            };
            front.kept(asked, ("DELETE", &path), work).await
        }
    }
}

/// Answers a request about API keys. A key that is limited to a profile deals with the keys that
/// are limited to the same one, and makes no other.
///
/// # Errors
/// What is answered instead.
pub(super) async fn keys(
    front: &Handlers,
    asked: Asked,
    route: KeyRoute<'_>,
) -> Result<Answer, Fault> {
    let accounts = Arc::clone(&front.accounts);
    match route {
        KeyRoute::List => {
            let own = asked.caller.key.profile;
            let mut keys = blocking(move || accounts.keys_in_use()).await?;
            keys.retain(|(key, _)| own.is_none() || key.profile == own);
            front.durable().await?;
            Ok(reply::json(200, wire::keys_body(&keys)))
        }
        KeyRoute::Create => {
            let route = ("POST", "/v1/api-keys");
            front
                .recorded(asked, route, true, move |caller, body| {
                    let asked = within(caller, wire::parse_key(body)?)?;
                    let (records, minted) = accounts.plan_key(asked)?;
                    Ok((records, wire::fresh_key_reply(&minted.key, &minted.plaintext)))
                })
                .await
        }
        KeyRoute::Revoke(id) => {
            let path = format!("/v1/api-keys/{id}");
            let shown: String = id.chars().take(64).collect();
            front
                .recorded(asked, ("DELETE", &path), false, move |caller, _| {
                    let none = || {
                        Fault::new(Code::NotFound, format!("There is no API key {shown}."))
                            .remedy("GET /v1/api-keys lists the keys there are.")
                    };
                    let id: KeyId = shown.parse().map_err(|_| none())?;
                    let (records, key) = accounts.plan_revoke(id)?;
                    let own = caller.key.profile;
                    if own.is_some() && key.profile != own {
                        return Err(none().rule("api_key.profile_scope"));
                    }
                    Ok((records, wire::revoked_reply(&key)))
                })
                .await
        }
    }
}

/// A key to be made, within what the caller's own key may act on.
fn within(caller: &Caller, asked: KeyRequest) -> Result<KeyRequest, Fault> {
    match (caller.key.profile, asked.profile) {
        (Some(own), Some(other)) if own != other => Err(admission::out_of_scope()),
        (Some(own), _) => Ok(KeyRequest { profile: Some(own), ..asked }),
        (None, _) => Ok(asked),
    }
}

fn one_profile() -> Fault {
    Fault::new(Code::NotFound, "This API key is limited to one profile, and makes no other.")
        .rule("api_key.profile_scope")
        .remedy("Use a key that spans the organization.")
}

/// The profile of an id, if this caller may know of it.
fn profile_id(caller: &Caller, text: &str) -> Result<ProfileId, Fault> {
    let shown: String = text.chars().take(64).collect();
    let none = || {
        Fault::new(Code::NotFound, format!("There is no profile {shown}."))
            .remedy("GET /v1/profiles lists the profiles there are.")
    };
    let id: ProfileId = text.parse().map_err(|_| none())?;
    match caller.key.profile {
        Some(own) if own != id => Err(none().rule("api_key.profile_scope")),
        _ => Ok(id),
    }
}
