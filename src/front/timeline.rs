//! `GET /v1/sandbox/timeline`: what landed in the sandbox, duplicates visible as such. It is one
//! log for all profiles, so that a key that is limited to one sees single landings alone.

use serde_json::{Value, json};

use super::reply::{self, Answer};
use super::sandbox::{Landing, SandboxDoor, SandboxError, TimelinePage};
use crate::model::{Code, Fault, Platform};

/// Landings of a page when the caller names no limit.
pub(super) const LIMIT_DEFAULT: usize = 100;
/// Landings of a page at the most.
pub(super) const LIMIT_MAX: usize = 1_000;

/// A page: `limit` landings numbered above `after`, newest last. Blocks on the disk elsewhere.
///
/// # Errors
/// A query that does not hold; a sandbox that is not there; a log that cannot be read.
pub async fn page(sandbox: Option<&SandboxDoor>, query: Option<&str>) -> Result<Answer, Fault> {
    let landings = sandbox.ok_or_else(disabled)?.landings().clone();
    let (after, limit) = window(query)?;
    let read = move || landings.timeline(after, limit);
    let page = read_off(read).await?;
    Ok(reply::json(200, render(&page, after).to_string()))
}

/// One landing: where its permalink leads. `may_know` says whether the caller may know of a post.
///
/// # Errors
/// No such landing, or one of a post that the caller may not know of; a sandbox that is not there;
/// a log that cannot be read.
pub async fn landing(
    sandbox: Option<&SandboxDoor>,
    n: &str,
    may_know: impl AsyncFnOnce(&str) -> Result<(), Fault>,
) -> Result<Answer, Fault> {
    let landings = sandbox.ok_or_else(disabled)?.landings().clone();
    let number: u64 = n.parse().map_err(|_| no_landing())?;
    let found = read_off(move || landings.landing(number)).await?.ok_or_else(no_landing)?;
    may_know(&found.post).await?;
    Ok(reply::json(200, line(&found).to_string()))
}

/// What a key that is limited to a profile gets in place of the timeline.
pub(super) fn of_all_profiles() -> Fault {
    Fault::new(Code::NotFound, "The timeline is of all profiles, and this API key of one.")
        .rule("api_key.profile_scope")
        .remedy(
            "Use a key that spans the organization, or read single posts: GET /v1/posts/:id, \
             whose url leads to what landed.",
        )
}

/// What it gets in place of another profile's landing.
pub(super) fn of_another_profile() -> Fault {
    no_landing().rule("api_key.profile_scope")
}

async fn read_off<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, Fault> {
    let read = tokio::task::spawn_blocking(read).await.unwrap_or(Err(SandboxError::Closed));
    read.map_err(|error| {
        tracing::error!(%error, "the timeline cannot be read");
        Fault::new(Code::InternalError, "The sandbox's log cannot be read.")
            .rule("sandbox.log")
            .remedy("Give the request id to the operator, who finds the reason in the log.")
    })
}

fn window(query: Option<&str>) -> Result<(u64, usize), Fault> {
    let (mut after, mut limit) = (0, LIMIT_DEFAULT);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "after" => after = value.parse().map_err(|_| bad("after", "a landing's number"))?,
            "limit" => {
                limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                    .ok_or_else(|| bad("limit", "a whole number from 1 to 1000"))?;
            }
            _ => {}
        }
    }
    Ok((after, limit))
}

fn render(page: &TimelinePage, after: u64) -> Value {
    let data: Vec<_> = page
        .landings
        .iter()
        .map(|(landing, duplicate)| {
            let mut line = line(landing);
            line["duplicate"] = Value::Bool(*duplicate);
            line
        })
        .collect();
    let last = page.landings.last().map_or(after, |(landing, _)| landing.n);
    let next = (last < page.total).then(|| last.to_string());
    json!({
        "data": data,
        "nextCursor": next,
        "summary": { "landings": page.total, "duplicates": page.duplicates },
    })
}

fn line(landing: &Landing) -> Value {
    json!({
        "n": landing.n,
        "postId": landing.post,
        "key": landing.key,
        "account": landing.account,
        "kind": landing.kind.as_str(),
        "parent": landing.parent,
        "text": landing.text,
        "media": landing.media,
        "uri": landing.uri,
        "cid": landing.cid,
        "url": landing.url,
        "createdAt": landing.created_at,
        "landedAt": landing.landed_at,
    })
}

fn bad(name: &str, expected: &str) -> Fault {
    Fault::new(Code::ValidationFailed, format!("The query parameter {name} must be {expected}."))
        .rule(name)
        .remedy("Correct it, or leave it out.")
}

fn no_landing() -> Fault {
    Fault::new(Code::NotFound, "Nothing with this number has landed in the sandbox.")
        .remedy("GET /v1/sandbox/timeline lists what landed.")
}

fn disabled() -> Fault {
    Fault::new(Code::NotFound, "The sandbox is switched off, or another process is its platform.")
        .rule("sandbox.enabled")
        .on(Platform::Sandbox)
        .remedy("Set sandbox.enabled = true, leave sandbox.url empty, and start the server again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::sandbox::{Draft, Kind, Landings};
    use crate::model::{Secret, Timestamp};
    use http_body_util::BodyExt;
    use std::sync::Arc;

    #[test]
    fn the_window_is_read_strictly() {
        assert_eq!(window(None), Ok((0, 100)));
        assert_eq!(window(Some("after=7&limit=3&other=x")), Ok((7, 3)));
        for bad in ["limit=0", "limit=1001", "limit=x", "after=-1", "after="] {
            assert!(window(Some(bad)).is_err(), "{bad}");
        }
    }

    async fn one(door: &SandboxDoor, n: &str) -> Result<Answer, Fault> {
        landing(Some(door), n, async |_| Ok(())).await
    }

    async fn body(answer: Result<Answer, Fault>) -> Value {
        let body = answer.expect("an answer").into_body().collect().await.expect("whole");
        serde_json::from_slice(&body.to_bytes()).expect("json")
    }

    #[tokio::test]
    async fn pages_show_duplicates_and_lead_to_the_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let now = Arc::new(|| Timestamp::from_millis(1_700_000_000_000));
        let landings = Landings::open(dir.path(), now).expect("a log");
        let base: Arc<str> = "http://localhost".into();
        for post in ["post_1", "post_2", "post_2"] {
            let draft = Draft {
                key: None,
                post: post.into(),
                account: "a".into(),
                kind: Kind::Post,
                parent: None,
                text: "t".into(),
                media: Vec::new(),
                created_at: None,
            };
            landings.land(draft, &base).await.expect("landed");
        }
        let door = SandboxDoor::new(landings, &Secret::new("token"), &base, false);
        let first = body(page(Some(&door), Some("limit=2")).await).await;
        assert_eq!(first["summary"], json!({ "landings": 3, "duplicates": 1 }));
        assert_eq!(first["data"][0]["duplicate"], false);
        assert_eq!(first["data"][1]["duplicate"], true);
        assert_eq!(first["nextCursor"], "2");
        let second = body(page(Some(&door), Some("limit=2&after=2")).await).await;
        assert_eq!(second["data"][0]["postId"], "post_2");
        assert_eq!(second["nextCursor"], Value::Null);
        assert_eq!(body(one(&door, "1").await).await["postId"], "post_1");
        assert_eq!(one(&door, "4").await.expect_err("none").http_status(), 404);
        assert_eq!(page(None, None).await.expect_err("off").http_status(), 404);
    }
}
