//! Fetching a file from an address.

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, Url};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::{HttpUpstream, literal, refusal, words};
use crate::model::{MEDIA_REDIRECTS_MAX, MIME_CHARS_MAX, Millis};

/// The setting that opens private addresses.
pub(super) const SETTING: &str = "media.allow_private";

/// A fetched file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its size.
    pub bytes: u64,
    /// The MIME type that the address declared, if it did.
    pub mime: Option<String>,
}

/// Why a file was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// The address may not be reached: names the setting that would allow it.
    #[error("fetch: {0}")]
    Blocked(String),
    /// It is no address of a file: no http or https URL, or one redirected to no such URL.
    #[error("fetch: {0}")]
    Invalid(String),
    /// It leads on and on.
    #[error("fetch: it redirects more than {MEDIA_REDIRECTS_MAX} times")]
    Redirects,
    /// It is larger than allowed.
    #[error("fetch: it is larger than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// The other side answered that it has nothing for us.
    #[error("fetch: status {0}")]
    Status(u16),
    /// It could not be reached, or broke off; trying again may help.
    #[error("fetch: {0}")]
    Unreachable(String),
    /// Our own disk refused.
    #[error("fetch: {0}")]
    Disk(String),
}

impl HttpUpstream {
    /// See `Upstream::fetch`.
    pub(in crate::upstream) async fn fetch_file(
        &self,
        url: &str,
        bytes_max: u64,
        into: &mut File,
        timeout: Millis,
    ) -> Result<Fetched, FetchFault> {
        let fetching = self.follow(url, bytes_max, into);
        let late = || FetchFault::Unreachable(format!("it was not here within {timeout}"));
        tokio::time::timeout(timeout.as_duration(), fetching).await.unwrap_or_else(|_| Err(late()))
    }

    async fn follow(
        &self,
        url: &str,
        bytes_max: u64,
        into: &mut File,
    ) -> Result<Fetched, FetchFault> {
        let mut url = Url::parse(url).map_err(|e| FetchFault::Invalid(e.to_string()))?;
        for _ in 0..=MEDIA_REDIRECTS_MAX {
            if !matches!(url.scheme(), "http" | "https") {
                let why = format!("{}: is no http or https address", url.scheme());
                return Err(FetchFault::Invalid(why));
            }
            let allow = self.options.media_allow_private;
            literal(&url, allow, SETTING).map_err(FetchFault::Blocked)?;
            let sent = self.media.get(url.clone()).send().await;
            let response = sent.map_err(|e| match refusal(&e) {
                Some(why) => FetchFault::Blocked(why),
                None => FetchFault::Unreachable(words(&e)),
            })?;
            let status = response.status();
            if status.is_redirection() {
                let next = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                let next = next.ok_or(FetchFault::Status(status.as_u16()))?;
                url = url.join(next).map_err(|e| FetchFault::Invalid(e.to_string()))?;
                continue;
            }
            if !status.is_success() {
                return Err(FetchFault::Status(status.as_u16()));
            }
            return store(response, bytes_max, into).await;
        }
        Err(FetchFault::Redirects)
    }
}

async fn store(
    mut response: Response,
    bytes_max: u64,
    into: &mut File,
) -> Result<Fetched, FetchFault> {
    if response.content_length().is_some_and(|length| length > bytes_max) {
        return Err(FetchFault::TooLarge { max: bytes_max });
    }
    let mime = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mime = mime.filter(|text| text.len() <= MIME_CHARS_MAX).map(str::to_ascii_lowercase);
    let mut bytes = 0;
    loop {
        match response.chunk().await {
            Ok(None) => break,
            Ok(Some(chunk)) => {
                bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                if bytes > bytes_max {
                    return Err(FetchFault::TooLarge { max: bytes_max });
                }
                into.write_all(&chunk).await.map_err(|e| FetchFault::Disk(e.to_string()))?;
            }
            Err(problem) => return Err(FetchFault::Unreachable(words(&problem))),
        }
    }
    into.flush().await.map_err(|e| FetchFault::Disk(e.to_string()))?;
    Ok(Fetched { bytes, mime })
}
