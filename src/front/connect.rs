//! Connecting accounts over the API: which fields a platform asks for, and trying them.

use serde_json::{Map, Value, json};

use super::oauth::{self, OauthDoor};
use super::reply::{self, Answer};
use crate::accounts::{Accounts, ConnectBluesky, Connected, Place};
use crate::admission::Caller;
use crate::model::{Code, Fault, Platform, ProfileId, Secret};
use crate::wire::{self, Reply};

/// `POST /v1/accounts/connect/:platform`: what the platform asks for. Nothing in the body is
/// needed, and what is no text in it is passed over.
///
/// # Errors
/// An unknown platform (rule `platform`), one that cannot be connected here, or a profile that is
/// not there.
pub(super) async fn describe(
    door: &OauthDoor,
    caller: &Caller,
    name: &str,
    body: &[u8],
) -> Result<Answer, Fault> {
    let platform = platform(name)?;
    let fields = Fields::texts(body);
    let place = fields.place(caller)?;
    let descriptor = match door.accounts.descriptor(platform) {
        Some(descriptor) => {
            if let Some(profile) = place.profile() {
                door.accounts.get_profile(profile)?;
            }
            descriptor
        }
        None => door.begin(platform, place, fields.optional("returnTo")?).await?,
    };
    let body = json!({ "platform": platform.as_str(), "state": "live", "descriptor": descriptor });
    Ok(reply::json(200, body.to_string()))
}

/// `POST /v1/accounts/connect/:platform/complete`: 201 for a new account, 200 for one renewed.
///
/// # Errors
/// A field that is missing or wrong (its name is the rule), or what the platform said.
pub(super) async fn complete(
    accounts: &Accounts,
    caller: &Caller,
    name: &str,
    body: &[u8],
) -> Result<Reply, Fault> {
    let platform = platform(name)?;
    let fields = Fields::parse(body)?;
    let place = fields.place(caller)?;
    let connected = match platform {
        Platform::Bluesky => {
            let input = ConnectBluesky {
                identifier: fields.required("identifier")?.to_owned(),
                app_password: Secret::new(fields.required("appPassword")?),
                pds_url: fields.optional("pdsUrl")?.map(str::to_owned),
                place,
            };
            accounts.connect_bluesky(input).await?
        }
        Platform::Sandbox => {
            let name = fields.optional("name")?.unwrap_or("sandbox").to_owned();
            accounts.connect_sandbox(name, place).await?
        }
        Platform::Facebook
        | Platform::Instagram
        | Platform::Linkedin
        | Platform::Pinterest
        | Platform::Threads
        | Platform::Tiktok
        | Platform::Twitter => oauth::complete(accounts, caller, platform, &fields).await?,
    };
    let Connected { account, created } = connected;
    Ok(Reply { status: if created { 201 } else { 200 }, body: wire::account_body(&account) })
}

/// The platform of a path.
pub(super) fn platform(name: &str) -> Result<Platform, Fault> {
    name.parse().map_err(|_| {
        let names: Vec<_> = Platform::ALL.iter().map(|platform| platform.as_str()).collect();
        Fault::new(Code::ValidationFailed, "There is no such platform.")
            .rule("platform")
            .remedy(format!("Use one of {}.", names.join(", ")))
    })
}

/// The members of a JSON object. An empty body is an empty object.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    fn parse(body: &[u8]) -> Result<Self, Fault> {
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(malformed("The body must be a JSON object.".into())),
            Err(problem) => Err(malformed(format!("The body is not valid JSON: {problem}."))),
        }
    }

    /// The texts among the members; whatever else came is as if it had not.
    fn texts(body: &[u8]) -> Self {
        let Self(mut members) = Self::parse(body).unwrap_or_else(|_| Self(Map::new()));
        members.retain(|_, value| value.is_string());
        Self(members)
    }

    fn optional(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "must be a text")),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Fault> {
        self.optional(name)?.ok_or_else(|| wrong(name, "is required"))
    }

    pub(super) fn required_url(&self, name: &str) -> Result<&str, Fault> {
        let text = self.required(name)?;
        url::Url::parse(text).map_err(|_| wrong(name, "must be a URL"))?;
        Ok(text)
    }

    /// Where the account goes: to the profile asked for, within what the key may act on.
    pub(super) fn place(&self, caller: &Caller) -> Result<Place, Fault> {
        let asked: Option<ProfileId> = match self.optional("profileId")? {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| wrong("profileId", "must be a UUID"))?),
        };
        match (caller.key.profile, asked) {
            (Some(own), Some(asked)) if own != asked => {
                Err(Fault::new(Code::NotFound, "There is no such profile for this key.")
                    .rule("api_key.profile_scope")
                    .remedy("Leave profileId out, or use a key that may act on that profile."))
            }
            (Some(own), _) => Ok(Place::Only(own)),
            (None, Some(asked)) => Ok(Place::Profile(asked)),
            (None, None) => Ok(Place::Default),
        }
    }
}

fn malformed(message: String) -> Fault {
    Fault::new(Code::ValidationFailed, message)
        .rule("body.json")
        .remedy("Send one JSON object in UTF-8.")
}

fn wrong(name: &str, problem: &str) -> Fault {
    Fault::new(Code::ValidationFailed, format!("`{name}` {problem}."))
        .rule(name)
        .remedy("POST /v1/accounts/connect/:platform describes the fields.")
}
