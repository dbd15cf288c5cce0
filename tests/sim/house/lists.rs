//! What a client sees who lists posts.

use std::sync::Arc;

use fanfare::admission::Caller;
use serde_json::Value;

use super::life::Rooms;
use super::world::World;
use crate::journal::Finding;

/// A list that is asked for after a batch was shown has its posts, and what was over is over. Who
/// asks twice may get the same page again.
pub async fn listed(
    world: &Arc<World>,
    rooms: &Arc<Rooms>,
    caller: &Caller,
    batch: &Value,
) -> Result<(), Finding> {
    let mut page = Value::Null;
    for _ in 0..2 {
        match rooms.admission.list_posts(caller, "limit=100").await {
            Ok(body) => page = serde_json::from_slice(&body).unwrap_or_default(),
            Err(fault) if fault.http_status() == 503 => return Ok(()),
            Err(fault) => return Err(Finding::new("clients_are_served", format!("{fault:?}"))),
        }
    }
    let posts = page["data"].as_array().cloned().unwrap_or_default();
    for shown in batch["results"].as_array().into_iter().flatten() {
        let (id, status) = (&shown["postId"], &shown["status"]);
        let found = posts.iter().find(|post| post["id"] == *id);
        let holds = match found {
            None => !page["nextCursor"].is_null(),
            Some(post) => *status != "published" || post["status"] == *status,
        };
        if !holds {
            let what = format!("{id} was {status}, and the list has {found:?}");
            return Err(Finding::new("lists_are_up_to_date", what));
        }
    }
    world.state().note("the list has it");
    Ok(())
}
