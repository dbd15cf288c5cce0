//! The platform that counts: the sandbox's side, in this process, which nobody kills.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::SelftestError;
use crate::front::sandbox::{Landings, SandboxDoor, SandboxError};
use crate::front::{Limits, Server, Words, platform_alone};
use crate::model::{Dice, Millis, Now, Secret};
use crate::wire::{self, Links};

/// Connections at once: more than a server has slots.
const CONNECTIONS_MAX: usize = 1_024;
/// For a header, and without a request.
const WAIT: Millis = Millis::from_secs(60);
/// Landings of one page.
const PAGE: usize = 1_000;

/// A platform that is served.
pub(super) struct Platform {
    pub url: String,
    pub token: Secret,
    landings: Landings,
    stop: watch::Sender<bool>,
    serving: JoinHandle<usize>,
}

impl Platform {
    /// Serves one on a free port; what lands is kept in `folder`.
    pub(super) async fn start(folder: &Path, now: Now, dice: Dice) -> Result<Self, SelftestError> {
        let failed = |problem: &dyn std::fmt::Display| {
            SelftestError::Start(format!("serve the platform that counts: {problem}"))
        };
        let landings = Landings::open(folder, Arc::clone(&now)).map_err(|it| failed(&it))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|it| failed(&it))?;
        let address = listener.local_addr().map_err(|it| failed(&it))?;
        let url = format!("http://{address}");
        let token = Secret::new(format!("{:032x}{:032x}", dice(), dice()));
        let door = SandboxDoor::new(landings.clone(), &token, &url, false);
        let limits = Limits {
            connections_max: CONNECTIONS_MAX,
            header_timeout: WAIT,
            idle_timeout: WAIT,
            drain_timeout: Millis(0),
        };
        let words = Arc::new(Words {
            links: Links { base: url.clone() },
            now,
            dice,
            ceiling: 0,
            envelope: wire::error_body,
            origins: Vec::new(),
        });
        let service = platform_alone(Arc::new(door), Arc::clone(&words));
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(Server { listener, limits, words, service }.run(stopping));
        Ok(Self { url, token, landings, stop, serving })
    }

    /// Stops serving, and gives the post of every landing.
    pub(super) async fn end(self) -> Result<Vec<String>, String> {
        self.stop.send_replace(true);
        let _ = self.serving.await;
        let landings = self.landings;
        let read = move || {
            let (mut posts, mut after) = (Vec::new(), 0);
            loop {
                let page = landings.timeline(after, PAGE)?;
                after += page.landings.len() as u64;
                if page.landings.is_empty() {
                    return Ok(posts);
                }
                posts.extend(page.landings.into_iter().map(|(landing, _)| landing.post));
            }
        };
        let read = tokio::task::spawn_blocking(read).await;
        let read = read.unwrap_or(Err(SandboxError::Closed));
        read.map_err(|problem| problem.to_string())
    }
}
