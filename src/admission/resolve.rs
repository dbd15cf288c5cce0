//! Which account each target goes to and what it says: pure.

use crate::model::{Account, AccountId, Code, Fault, FirstComment, Platform, ProfileId, Warning};
use crate::preflight;
use crate::wire::{CreateRequest, PlatformOptions, RequestMedia, TargetRequest};

/// A target with its account and its effective content, media still as they were sent.
#[derive(Debug, Clone)]
pub(super) struct Resolved<'a> {
    pub account: &'a Account,
    pub text: String,
    pub media: Vec<RequestMedia>,
    pub first_comment: Option<FirstComment>,
    pub options: Option<String>,
    /// Remarks on what was ignored, in the request and in the target.
    pub warnings: Vec<Warning>,
}

/// Finds the account and the content of every target, in order; the first problem decides.
///
/// # Errors
/// `not_found` or `validation_failed`, with the rule of the contract.
pub(super) fn resolve<'a>(
    accounts: &'a [Account],
    request: &CreateRequest,
    scope: Option<ProfileId>,
) -> Result<Vec<Resolved<'a>>, Fault> {
    self::scope(request, scope)?;
    let narrowed = request.profile.or(scope);
    let found: Vec<&Account> = request
        .targets
        .iter()
        .map(|target| account(accounts, target, narrowed, scope))
        .collect::<Result<_, Fault>>()?;
    let targets = request.targets.iter().zip(found).enumerate();
    targets.map(|(ix, (target, account))| effective(ix, request, target, account)).collect()
}

/// Whether the request stays within the profile that the key is limited to.
///
/// # Errors
/// Rule `profile.scope_mismatch`.
pub(super) fn scope(request: &CreateRequest, own: Option<ProfileId>) -> Result<(), Fault> {
    match (own, request.profile) {
        (Some(own), Some(asked)) if own != asked => Err(Fault::new(
            Code::ValidationFailed,
            "profileId is not the profile this API key is limited to",
        )
        .rule("profile.scope_mismatch")
        .remedy("Leave profileId out, or use a key that spans the organization.")),
        _ => Ok(()),
    }
}

/// The account and the content of one target alone.
///
/// # Errors
/// As `resolve`, for this target.
pub(super) fn one<'a>(
    accounts: &'a [Account],
    request: &CreateRequest,
    ix: usize,
    scope: Option<ProfileId>,
) -> Result<Resolved<'a>, Fault> {
    let target = &request.targets[ix];
    let account = account(accounts, target, request.profile.or(scope), scope)?;
    effective(ix, request, target, account)
}

fn account<'a>(
    accounts: &'a [Account],
    target: &TargetRequest,
    profile: Option<ProfileId>,
    scope: Option<ProfileId>,
) -> Result<&'a Account, Fault> {
    if let Some(id) = target.account {
        let account = accounts.iter().find(|account| account.id == id);
        let account = account.ok_or_else(|| no_account(id))?;
        // Before anything is said of it.
        if scope.is_some_and(|own| own != account.profile) {
            return Err(no_account(id)
                .rule("api_key.profile_scope")
                .remedy("Use a key that may act on the account's profile."));
        }
        return match target.platform {
            Some(platform) if platform != account.platform => {
                Err(platform_mismatch(platform, account))
            }
            _ => Ok(account),
        };
    }
    let platform = target.platform.unwrap_or(Platform::Sandbox);
    let matching: Vec<&Account> = accounts
        .iter()
        .filter(|account| account.platform == platform)
        .filter(|account| profile.is_none_or(|id| account.profile == id))
        .collect();
    match matching.as_slice() {
        [only] => Ok(only),
        [] => Err(not_connected(platform)),
        several => Err(ambiguous(platform, several)),
    }
}

fn effective<'a>(
    ix: usize,
    request: &CreateRequest,
    target: &TargetRequest,
    account: &'a Account,
) -> Result<Resolved<'a>, Fault> {
    let options = options(request, target, account)?;
    let media = target.media.clone().or_else(|| request.media.clone()).unwrap_or_default();
    let text = target.text.clone().or_else(|| request.text.clone());
    let alone = !media.is_empty() && preflight::takes_media_alone(account.platform);
    let text = match text {
        Some(text) => text,
        None if alone => String::new(),
        None => return Err(no_text(ix)),
    };
    let comment = target.first_comment.clone().or_else(|| request.first_comment.clone());
    Ok(Resolved {
        account,
        text,
        media,
        first_comment: comment.map(|text| FirstComment { text }),
        options: options.and_then(|options| options.json),
        warnings: [request.warnings.as_slice(), target.warnings.as_slice()].concat(),
    })
}

fn options(
    request: &CreateRequest,
    target: &TargetRequest,
    account: &Account,
) -> Result<Option<PlatformOptions>, Fault> {
    match &target.options {
        Some(own) if own.platform != account.platform => {
            let (asked, is) = (own.platform, account.platform);
            Err(Fault::new(
                Code::ValidationFailed,
                format!("options are for {asked}, and account {} is on {is}", account.id),
            )
            .rule("targets.options.platform_mismatch")
            .on(is)
            .remedy("Remove the options or correct their platform."))
        }
        Some(own) => Ok(Some(own.clone())),
        None => {
            let shared = request.options.iter().find(|one| one.platform == account.platform);
            Ok(shared.cloned())
        }
    }
}

fn no_account(id: AccountId) -> Fault {
    Fault::new(Code::NotFound, format!("there is no account {id}"))
        .remedy("GET /v1/accounts lists the connected accounts.")
}

fn platform_mismatch(asked: Platform, account: &Account) -> Fault {
    Fault::new(
        Code::ValidationFailed,
        format!("account {} is on {}, not on {asked}", account.id, account.platform),
    )
    .rule("targets.account.platform_mismatch")
    .remedy("Remove platform, or name the account of that platform.")
}

fn not_connected(platform: Platform) -> Fault {
    Fault::new(Code::ValidationFailed, format!("no {platform} account is connected"))
        .rule("target.account.not_connected")
        .on(platform)
        .remedy(format!("Connect one, as with `fanfare accounts connect {platform}`."))
}

fn ambiguous(platform: Platform, several: &[&Account]) -> Fault {
    let ids: Vec<String> = several.iter().map(|account| account.id.to_string()).collect();
    let hints = serde_json::json!({ "candidates": ids });
    Fault::new(
        Code::ValidationFailed,
        format!("{} {platform} accounts are connected; name one", ids.len()),
    )
    .rule("target.account.ambiguous")
    .on(platform)
    .response(hints.to_string())
    .remedy(format!("Set accountId to one of {}.", ids.join(", ")))
}

fn no_text(ix: usize) -> Fault {
    Fault::new(Code::ValidationFailed, format!("target {ix} has no text, and there is no default"))
        .rule("targets.text.required")
        .remedy("Set text at the top level or on the target.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::wire::parse_create;

    fn account(n: u128, platform: Platform, profile: u128) -> Account {
        Account {
            id: AccountId::from_raw(n),
            profile: ProfileId::from_raw(profile),
            platform,
            platform_account_id: n.to_string(),
            display_name: None,
            settings: "{}".into(),
            token_expires_at: None,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn check(body: &str, scope: Option<u128>, expected: &str) {
        let accounts = [
            account(1, Platform::Sandbox, 7),
            account(2, Platform::Bluesky, 7),
            account(3, Platform::Bluesky, 8),
        ];
        let request = parse_create(body.as_bytes()).expect(body);
        let got = match resolve(&accounts, &request, scope.map(ProfileId::from_raw)) {
            Ok(all) => all
                .iter()
                .map(|one| {
                    let media = one.media.len();
                    format!("{}:{}:{media}", one.account.id.raw(), one.text)
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(fault) => fault.rule.unwrap_or_else(|| fault.code.as_str().to_owned()),
        };
        assert_eq!(got, expected, "{body}");
    }

    #[test]
    fn targets_find_their_account_and_inherit_what_they_leave_out() {
        let id = |n: u128| AccountId::from_raw(n).to_string();
        check(r#"{"targets":[{"platform":"sandbox"}],"text":"a"}"#, None, "1:a:0");
        check(
            &format!(
                r#"{{"targets":[{{"accountId":"{}","text":"own"}},{{"accountId":"{}"}},
                   {{"accountId":"{}","media":[]}}],"text":"a",
                   "media":[{{"kind":"image","url":"https://e.org/a"}}]}}"#,
                id(1),
                id(2),
                id(3)
            ),
            None,
            "1:own:1 2:a:1 3:a:0",
        );
        check(
            r#"{"targets":[{"platform":"bluesky"}],"text":"a"}"#,
            None,
            "target.account.ambiguous",
        );
        check(r#"{"targets":[{"platform":"bluesky"}],"text":"a"}"#, Some(8), "3:a:0");
        check(
            r#"{"targets":[{"platform":"twitter"}],"text":"a"}"#,
            None,
            "target.account.not_connected",
        );
        check(
            &format!(r#"{{"targets":[{{"accountId":"{}"}}],"text":"a"}}"#, id(9)),
            None,
            "not_found",
        );
        check(
            &format!(r#"{{"targets":[{{"accountId":"{}"}}],"text":"a"}}"#, id(3)),
            Some(7),
            "api_key.profile_scope",
        );
        check(
            &format!(
                r#"{{"targets":[{{"accountId":"{}","platform":"twitter"}}],"text":"a"}}"#,
                id(3)
            ),
            Some(7),
            "api_key.profile_scope",
        );
        check(
            &format!(
                r#"{{"targets":[{{"accountId":"{}","platform":"bluesky"}}],"text":"a"}}"#,
                id(1)
            ),
            None,
            "targets.account.platform_mismatch",
        );
        check(
            r#"{"targets":[{"platform":"sandbox","options":{"platform":"twitter"}}],"text":"a"}"#,
            None,
            "targets.options.platform_mismatch",
        );
        check(r#"{"targets":[{"platform":"sandbox"}]}"#, None, "targets.text.required");
        check(
            &format!(
                r#"{{"targets":[{{"platform":"sandbox"}}],"text":"a","profileId":"{}"}}"#,
                id(8)
            ),
            Some(7),
            "profile.scope_mismatch",
        );
    }
}
