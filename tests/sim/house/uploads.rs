//! Uploads of a client: files that are kept before a post names them, named more than once, and
//! deleted when their client has had enough of them.

use std::sync::Arc;

use fanfare::admission::{Caller, NewUpload, Served};
use fanfare::model::{Batch, Digest, MediaId, MediaSource};
use serde_json::{Value, json};

use super::files::{hash, keeper, picture};
use super::life::Rooms;
use super::operator::request;
use super::world::{State, World};
use crate::journal::{self, Finding};

/// A file that a client uploads under a key of its own.
#[derive(Debug, Clone)]
pub struct Upload {
    key: String,
    bytes: Vec<u8>,
    /// What it was told: the id, in the reply.
    told: Option<(MediaId, Vec<u8>)>,
}

impl Upload {
    pub fn new(state: &mut State) -> Self {
        state.pictures += 1;
        let bytes = picture(state.pictures);
        Self { key: state.text("upload").replace(' ', "-"), bytes, told: None }
    }

    /// Its id, once it was told.
    pub fn id(&self) -> Option<MediaId> {
        self.told.as_ref().map(|(id, _)| *id)
    }

    /// It as an attachment, once its id was told.
    pub fn attachment(&self) -> Option<Value> {
        let what = hash(&self.bytes).to_string();
        let id = self.id()?.to_string();
        Some(json!({ "kind": "image", "mediaId": id, "altText": what }))
    }

    /// Keeps the bytes and records them, as the door does.
    pub async fn send(&self, world: &Arc<World>, rooms: &Arc<Rooms>, caller: &Caller) -> Served {
        let kept = keeper(world, rooms)(self.bytes.clone()).await;
        let digest: Digest = kept.expect("there is room");
        let (id, profile) = {
            let mut state = world.state();
            let raw = u128::from(state.dice.next()) << 64 | u128::from(state.dice.next());
            (MediaId::fresh(raw), state.profile.expect("the house is set up"))
        };
        let bytes = self.bytes.len() as u64;
        let new = NewUpload { id, profile, digest, mime: "image/png".to_owned(), bytes };
        rooms.admission.upload(&request(), caller.sent(Some(&self.key)), new).await
    }

    /// The answer: equal to the one before, if there was one.
    pub fn learn(&mut self, world: &Arc<World>, served: &Served) -> Result<(), Finding> {
        let body = &served.reply.body;
        if let Some((_, first)) = &self.told {
            if first == body {
                return Ok(());
            }
            let both = [first.as_slice(), body.as_slice()].concat();
            let both = String::from_utf8_lossy(&both).into_owned();
            return Err(Finding::new("equal_keys_equal_bytes", both));
        }
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let id = value["id"].as_str().and_then(|id| id.parse::<MediaId>().ok());
        let id = id.ok_or_else(|| Finding::new("clients_are_served", value.to_string()))?;
        world.state().uploads.insert(id, hash(&self.bytes));
        self.told = Some((id, body.clone()));
        Ok(())
    }
}

/// Deletes an upload; one that a post still needs is not deleted.
pub async fn delete(
    world: &Arc<World>,
    rooms: &Arc<Rooms>,
    caller: &Caller,
    id: MediaId,
) -> Result<Served, Finding> {
    let key = format!("delete-{id}");
    let served =
        rooms.admission.delete_upload(caller, &request(), Some(&key), &id.to_string()).await;
    let needs = |batch: &Batch| {
        let mut items = batch.contents.values().flat_map(|content| &content.media);
        !batch.is_settled() && items.any(|item| item.source == MediaSource::Upload(id))
    };
    if served.reply.status == 200 && journal::batches(&world.memory())?.iter().any(needs) {
        let what = format!("{id} was deleted, and a batch that is not settled needs it");
        return Err(Finding::new("media_is_kept_while_needed", what));
    }
    Ok(served)
}
