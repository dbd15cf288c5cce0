//! Looking at everything when the blows are over: what settled, what is there, what is replayed.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use super::check::{Post, Sent};
use super::client::{Shared, pause, post};
use crate::model::{LIST_LIMIT_MAX, Millis};

/// How long one look may take. A list of many posts takes seconds.
const LOOK: Millis = Millis::from_secs(60);
/// Between two looks at what still waits.
const PAUSE: Millis = Millis(500);
/// Looks at what still waits before it counts as lost: several minutes, of which a read-back needs
/// half of one.
const LOOKS: usize = 600;
/// Replays asked for at once.
const REPLAYS: usize = 16;

/// Waits until nothing waits any more. What still does after that is for the checks to find.
pub(super) async fn settled(shared: &Shared) {
    let waiting = "/v1/posts?status=queued,validated,publishing&limit=1";
    for _ in 0..LOOKS {
        // A server with much to catch up on may not answer now.
        let page = get(shared, waiting).await.unwrap_or_default();
        if page["data"].as_array().is_some_and(Vec::is_empty) {
            return;
        }
        pause(PAUSE).await;
    }
}

/// Every post there is.
pub(super) async fn posts(shared: &Shared) -> Result<Vec<Post>, String> {
    let (mut posts, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(shared, &format!("/v1/posts?limit={LIST_LIMIT_MAX}{cursor}")).await?;
        posts.extend(rows(&page)?.iter().map(|row| Post {
            id: text(&row["id"]),
            batch: text(&row["batchId"]),
            text: text(&row["text"]),
            status: text(&row["status"]),
            rule: text(&row["error"]["rule"]),
            why: text(&row["error"]["message"]),
        }));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(posts),
        }
    }
}

/// The post of every event that says that one settled.
pub(super) async fn settlings(shared: &Shared) -> Result<Vec<String>, String> {
    let kinds = "type=post.published,post.failed,post.rejected";
    let (mut posts, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/events?{kinds}&limit={LIST_LIMIT_MAX}{after}");
        let page = get(shared, &path).await?;
        posts.extend(rows(&page)?.iter().map(|event| text(&event["data"]["id"])));
        match page["nextCursor"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(posts),
        }
    }
}

/// Sends every order again of which something is there.
pub(super) async fn replays(
    shared: &Arc<Shared>,
    sent: Vec<Sent>,
    posts: &[Post],
) -> Result<Vec<Sent>, String> {
    let there: BTreeSet<&str> =
        posts.iter().filter_map(|post| post.text.split(' ').next()).collect();
    let (mut done, mut tasks) = (Vec::with_capacity(sent.len()), JoinSet::new());
    for mut one in sent {
        if !there.contains(one.order.key.as_str()) {
            done.push(one);
            continue;
        }
        while tasks.len() >= REPLAYS {
            take(tasks.join_next().await, &mut done)?;
        }
        let shared = Arc::clone(shared);
        tasks.spawn(async move {
            let key = one.order.key.clone();
            match post(&shared, &one.order, LOOK).await {
                Some(heard) if matches!(heard.status, 200 | 202) => {
                    one.replay = Some(heard.body);
                    Ok(one)
                }
                Some(heard) => {
                    let said = String::from_utf8_lossy(&heard.body);
                    Err(format!("{key}: sent again it is answered {}: {said}", heard.status))
                }
                None => Err(format!("{key}: sent again it is not answered")),
            }
        });
    }
    while !tasks.is_empty() {
        take(tasks.join_next().await, &mut done)?;
    }
    Ok(done)
}

type Joined = Option<Result<Result<Sent, String>, tokio::task::JoinError>>;

fn take(joined: Joined, done: &mut Vec<Sent>) -> Result<(), String> {
    match joined {
        Some(Ok(Ok(one))) => done.push(one),
        Some(Ok(Err(problem))) => return Err(problem),
        Some(Err(problem)) => return Err(problem.to_string()),
        None => {}
    }
    Ok(())
}

async fn get(shared: &Shared, path: &str) -> Result<Value, String> {
    match shared.ask(("GET", path), None, b"", LOOK).await {
        Some(heard) if heard.status == 200 => Ok(heard.at("")),
        Some(heard) => {
            let said = String::from_utf8_lossy(&heard.body);
            Err(format!("GET {path}: {}: {said}", heard.status))
        }
        None => Err(format!("GET {path}: no answer")),
    }
}

fn rows(page: &Value) -> Result<&Vec<Value>, String> {
    page["data"].as_array().ok_or_else(|| format!("no list: {page}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
