//! Accounts, as the contract lists them.

use serde::Serialize;
use serde_json::Value;

use super::board::DefaultBoard;
use super::fault::to_bytes;
use crate::model::{Account, Platform};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: String,
    profile_id: String,
    platform: &'static str,
    platform_account_id: &'a str,
    display_name: Option<&'a str>,
    token_expires_at: Option<String>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinterest: Option<DefaultBoard>,
}

/// One account; it never holds a secret.
pub fn account_value(account: &Account) -> Value {
    serde_json::to_value(body(account)).unwrap_or_default()
}

/// The list of accounts.
pub fn accounts_body(accounts: &[Account]) -> Vec<u8> {
    #[derive(Serialize)]
    struct List<'a> {
        data: Vec<Body<'a>>,
    }
    to_bytes(&List { data: accounts.iter().map(body).collect() })
}

fn body(account: &Account) -> Body<'_> {
    Body {
        id: account.id.to_string(),
        profile_id: account.profile.to_string(),
        platform: account.platform.as_str(),
        platform_account_id: &account.platform_account_id,
        display_name: account.display_name.as_deref(),
        token_expires_at: account.token_expires_at.map(|at| at.to_string()),
        created_at: account.created_at.to_string(),
        updated_at: account.updated_at.to_string(),
        pinterest: (account.platform == Platform::Pinterest).then(|| DefaultBoard::of(account)),
    }
}

/// One account as a body.
pub fn account_body(account: &Account) -> Vec<u8> {
    to_bytes(&body(account))
}
