//! Whether this server would do what it promises, asked by whoever routes requests to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::pages;
use super::reply::{self, Answer};
use crate::engine;
use crate::model::{Digest, Millis, Now, Timestamp};
use crate::store::{Key, Record, UpkeepRecord, Write};

/// How long the engine has to answer.
const ENGINE_WAIT: Duration = Duration::from_secs(2);
/// A write that succeeded counts for this long, so that asking often costs no flush each time.
const WRITTEN_FOR: Millis = Millis(5_000);
/// Where the probe of the store is written.
const PROBE: Digest = Digest([0; 32]);

/// What the disk under the store looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskState {
    /// Bytes that may still be written, where the system tells.
    pub free_bytes: Option<u64>,
    /// Whether the store has put nothing into files that are never synced.
    pub synced: bool,
}

/// What readiness is judged by.
pub struct Ready {
    /// The engine.
    pub engine: engine::Handle,
    /// Looks at the disk.
    pub disk: Arc<dyn Fn() -> DiskState + Send + Sync>,
    /// Less free room than this is not ready.
    pub free_bytes_min: u64,
    /// What an operator should look at although the server is ready.
    pub remarks: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// The clock.
    pub now: Now,
    /// When the store last took a write of ours.
    pub written: Mutex<Option<Timestamp>>,
}

impl Ready {
    /// `GET /readyz`: each check with what it saw; 503 when any of them fails. Remarks fail none.
    pub(super) async fn answer(&self) -> Answer {
        let now = (self.now)();
        let mut checks = Map::new();
        let mut all_hold = true;
        let mut note = |name: &str, problem: Option<String>| {
            all_hold &= problem.is_none();
            let ok = problem.is_none();
            checks.insert(name.to_owned(), json!({ "ok": ok, "problem": problem }));
        };
        let asked = tokio::time::timeout(ENGINE_WAIT, self.engine.health()).await;
        let health = asked.ok().and_then(Result::ok);
        note("scheduler", health.is_none().then(|| "the engine did not answer".to_owned()));
        note("timers", health.and_then(|health| pages::unhealthy(Some(health), now)));
        note("store", self.write(now).await.err());
        let disk = (self.disk)();
        let unsynced = "the store has put records into files that are never synced";
        note("durability", (!disk.synced).then(|| unsynced.to_owned()));
        note("disk", disk.free_bytes.and_then(|free| self.too_full(free)));
        let body = json!({
            "status": if all_hold { "ready" } else { "not_ready" },
            "checks": Value::Object(checks),
            "remarks": (self.remarks)(),
        });
        reply::json(if all_hold { 200 } else { 503 }, body.to_string())
    }

    fn too_full(&self, free: u64) -> Option<String> {
        let min = self.free_bytes_min;
        (free < min).then(|| {
            format!("{free} bytes are free and server.disk_free_bytes_min is {min}: make room")
        })
    }

    async fn write(&self, now: Timestamp) -> Result<(), String> {
        let fresh = |last: Timestamp| now.since(last) < WRITTEN_FOR && last <= now;
        let last = *self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(fresh) {
            return Ok(());
        }
        let (name, report) = ("readyz".to_owned(), "the store takes writes".to_owned());
        let record = Record::Upkeep(UpkeepRecord { name, ran_at: now, report });
        let write = vec![Write::Put(Key::Upkeep(PROBE), record)];
        let written = tokio::time::timeout(ENGINE_WAIT, self.engine.write(Vec::new(), write)).await;
        match written {
            Ok(Ok(())) => {
                *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
                Ok(())
            }
            Ok(Err(problem)) => Err(problem.to_string()),
            Err(_) => Err("the store took no write in time".to_owned()),
        }
    }
}
