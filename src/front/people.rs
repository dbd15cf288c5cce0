//! Profiles and API keys over HTTP.

use std::sync::Arc;

use super::handlers::{Asked, Handlers, blocking};
use super::reply::{self, Answer};
use super::route::{KeyRoute, ProfileRoute};
use crate::admission::Caller;
use crate::model::{Code, Fault, KeyId, Profile, ProfileId};
use crate::wire;

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
                .recorded(asked, route, false, move |_, body| {
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

/// Answers a request about API keys.
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
            let keys = blocking(move || accounts.keys_in_use()).await?;
            front.durable().await?;
            Ok(reply::json(200, wire::keys_body(&keys)))
        }
        KeyRoute::Create => {
            let route = ("POST", "/v1/api-keys");
            front
                .recorded(asked, route, true, move |_, body| {
                    let (records, minted) = accounts.plan_key(wire::parse_key(body)?)?;
                    Ok((records, wire::fresh_key_reply(&minted.key, &minted.plaintext)))
                })
                .await
        }
        KeyRoute::Revoke(id) => {
            let path = format!("/v1/api-keys/{id}");
            let shown: String = id.chars().take(64).collect();
            front
                .recorded(asked, ("DELETE", &path), false, move |_, _| {
                    let id: KeyId = shown.parse().map_err(|_| {
                        Fault::new(Code::NotFound, format!("There is no API key {shown}."))
                            .remedy("GET /v1/api-keys lists the keys there are.")
                    })?;
                    let (records, key) = accounts.plan_revoke(id)?;
                    Ok((records, wire::revoked_reply(&key)))
                })
                .await
        }
    }
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
