//! Delivering to webhook endpoints.

use reqwest::Url;

use super::{HttpUpstream, literal, refusal, words};
use crate::model::Millis;

/// Bytes of a webhook endpoint's answer that are read: enough for the characters the log keeps.
const HOOK_ANSWER_BYTES_MAX: usize = 16 << 10;
/// The setting that opens private addresses.
pub(super) const SETTING: &str = "webhooks.allow_private";

/// One delivery to a webhook endpoint.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The endpoint's address.
    pub url: String,
    /// Headers, the content type among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body, as it was signed.
    pub body: Vec<u8>,
}

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookAnswer {
    /// The status.
    pub status: u16,
    /// The body, or as much of it as we read.
    pub body: Vec<u8>,
}

/// Why an endpoint gave no answer. All of it may pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookFault {
    /// Its address may not be reached: names the setting that would allow it.
    #[error("{0}")]
    Blocked(String),
    /// Its address is no http or https URL.
    #[error("{0}")]
    Unsupported(String),
    /// It did not answer in time.
    #[error("{0}")]
    Timeout(String),
    /// It could not be reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
}

impl HookFault {
    /// The name that the contract's clients know it by.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Blocked(_) => "SsrfBlockedError",
            Self::Unsupported(_) => "UnsupportedProtocolError",
            Self::Timeout(_) => "AbortError",
            Self::Unreachable(_) => "TypeError",
        }
    }
}

impl HttpUpstream {
    /// See `Upstream::deliver`.
    pub(in crate::upstream) async fn deliver_once(
        &self,
        hook: &Hook,
        timeout: Millis,
    ) -> Result<HookAnswer, HookFault> {
        let url = Url::parse(&hook.url).map_err(|e| HookFault::Unsupported(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            let why = format!("{}: is no http or https address", url.scheme());
            return Err(HookFault::Unsupported(why));
        }
        literal(&url, self.options.webhooks_allow_private, SETTING).map_err(HookFault::Blocked)?;
        let mut building = self.hooks.post(url).timeout(timeout.as_duration());
        for (name, value) in &hook.headers {
            building = building.header(*name, value);
        }
        let failed = |problem: &reqwest::Error| match refusal(problem) {
            Some(why) => HookFault::Blocked(why),
            None if problem.is_timeout() => HookFault::Timeout(words(problem)),
            None => HookFault::Unreachable(words(problem)),
        };
        let sent = building.body(hook.body.clone()).send().await;
        let mut response = sent.map_err(|problem| failed(&problem))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // What is longer than the log keeps is not waited for.
        while body.len() < HOOK_ANSWER_BYTES_MAX {
            match response.chunk().await.map_err(|problem| failed(&problem))? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        body.truncate(HOOK_ANSWER_BYTES_MAX);
        Ok(HookAnswer { status, body })
    }
}
