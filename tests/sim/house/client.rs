//! A client: publishes under keys of its own, sends each request until it is answered, changes its
//! mind, and remembers what it was told over the server's lives.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare::admission::{Caller, Served, authenticate};
use fanfare::model::{Batch, BatchId, Millis};
use fanfare::store::{Key, Memory, Store as _, load_batch};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::disk::Flaw;
use super::files::{attachments, keeper};
use super::life::Rooms;
use super::lists::listed;
use super::net::pause;
use super::operator::request;
use super::uploads::{self, Upload};
use super::world::{QUIET_MS, State, World};
use crate::dice::Dice;
use crate::journal::{self, Finding};

/// A change that was asked for under a key.
#[derive(Debug, Clone)]
struct Wish {
    key: String,
    verb: &'static str,
    post: String,
    body: String,
    reply: Option<Vec<u8>>,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    n: u64,
    posts: u64,
    key: String,
    body: Option<String>,
    schedules: bool,
    reply: Option<(u16, Vec<u8>)>,
    refused: bool,
    wish: Option<Wish>,
    wishes: u64,
    /// What the post is to have and is still to be uploaded.
    upload: Option<Upload>,
    /// What was uploaded and, as far as it knows, is there.
    uploaded: Vec<Upload>,
    /// What it wants to be deleted.
    unwanted: Option<Upload>,
    /// The batches it was told of.
    pub batches: Vec<BatchId>,
    /// Texts of requests that were refused: nothing of them may be live.
    pub unasked: Vec<String>,
}

impl Client {
    pub fn new(n: u64, dice: &mut Dice) -> Self {
        Self {
            n,
            posts: dice.range(1, 3),
            key: String::new(),
            body: None,
            schedules: false,
            reply: None,
            refused: false,
            wish: None,
            wishes: 0,
            upload: None,
            uploaded: Vec::new(),
            unwanted: None,
            batches: Vec::new(),
            unasked: Vec::new(),
        }
    }

    /// Whether it has something left to do.
    fn is_done(&self) -> bool {
        self.body.is_none() && self.posts == 0
    }
}

/// Goes on where the last life left off.
pub async fn run(world: Arc<World>, rooms: Arc<Rooms>, client: Arc<Mutex<Client>>) {
    // Nobody else asks for it: whoever held it died with its process.
    let mut client = client.lock().await;
    let wait = world.state().dice.range(0, 3_000);
    pause(wait).await;
    let header = format!("Bearer {}", world.state().api_key);
    let Ok(caller) = authenticate(rooms.store.as_ref(), Some(&header)) else {
        world.find(Finding::new("clients_are_served", "the key is not known any more"));
        return;
    };
    while !client.is_done() {
        // The last post of some comes when nothing goes wrong any more: it must be in time.
        let waits = client.n % 2 == 0 && client.posts == 1 && client.body.is_none();
        if waits && world.state().open_for().is_some_and(|open| open < QUIET_MS) {
            pause(1_000).await;
            continue;
        }
        if let Err(finding) = client.act(&world, &rooms, &caller).await {
            world.find(finding);
            return;
        }
        let wait = world.state().dice.range(50, 4_000);
        pause(wait).await;
    }
}

impl Client {
    /// All is lost but what a backup held. What was asked for and is not in it is given up: who
    /// asked again would be asking for another post.
    pub fn forget(&mut self, memory: &Memory) -> Result<(), Finding> {
        let batches = journal::batches(memory)?;
        self.batches.retain(|id| batches.iter().any(|batch| batch.id == *id));
        let kept = |id| matches!(memory.get(&Key::Media(id)), Ok(Some(_)));
        self.uploaded.retain(|upload| upload.id().is_some_and(kept));
        (self.wish, self.upload, self.unwanted) = (None, None, None);
        let mine = texts(self.body.as_deref().unwrap_or_default());
        let texts = |batch: &Batch| batch.contents.values().any(|it| mine.contains(&it.text));
        if self.reply.is_some() || !batches.iter().any(texts) {
            self.body = None;
        }
        Ok(())
    }

    async fn act(
        &mut self,
        world: &Arc<World>,
        rooms: &Arc<Rooms>,
        caller: &Caller,
    ) -> Result<(), Finding> {
        if self.body.is_none() {
            self.begin(&mut world.state());
        }
        if self.upload.is_some() {
            return self.keep(world, rooms, caller).await;
        }
        if self.unwanted.is_some() {
            return self.delete(world, rooms, caller).await;
        }
        if let Some(wish) = self.wish.clone() {
            return self.insist(world, rooms, caller, wish).await;
        }
        if self.reply.is_none() && !self.refused {
            return self.publish(world, rooms, caller).await;
        }
        if self.wishes == 0 || self.refused {
            self.body = None;
            return Ok(());
        }
        self.wishes -= 1;
        if !self.uploaded.is_empty() && world.state().dice.chance(20) {
            self.unwanted = self.uploaded.pop();
            return Ok(());
        }
        let choice = world.state().dice.range(0, 9);
        match choice {
            0..3 => self.publish(world, rooms, caller).await,
            3 => self.spoil(world, rooms, caller).await,
            4 => self.read(world, rooms, caller).await,
            _ => {
                self.wish = self.next_wish(&mut world.state());
                Ok(())
            }
        }
    }

    /// Another post under another key.
    fn begin(&mut self, state: &mut State) {
        self.posts -= 1;
        self.key = format!("client-{}-{}", self.n, self.posts);
        self.reply = None;
        self.refused = false;
        self.wishes = state.dice.range(0, 5);
        self.schedules = state.dice.chance(50);
        let targets: Vec<Value> = (0..state.dice.range(1, 4)).map(|_| target(state)).collect();
        let mut body = json!({ "targets": targets, "text": state.text("shared") });
        if self.schedules {
            let ahead = Millis(state.dice.range(1_500, 60_000));
            body["scheduledAt"] = json!(state.wall().plus(ahead).to_string());
        }
        if state.dice.chance(30) {
            body["media"] = json!(attachments(state));
        }
        if state.plan.uploads && state.dice.chance(40) {
            self.choose_upload(state, &mut body);
        }
        if state.dice.chance(30) {
            body["firstComment"] = json!({ "text": state.text("comment") });
        }
        self.body = Some(body.to_string());
    }

    /// Names something that was uploaded, or is to be.
    fn choose_upload(&mut self, state: &mut State, body: &mut Value) {
        let known = self.uploaded.last().filter(|_| state.dice.chance(30));
        match known.and_then(Upload::attachment) {
            Some(attachment) => body["media"] = json!([attachment]),
            None => self.upload = Some(Upload::new(state)),
        }
    }

    /// Uploads what the post is to have, until it is answered, and once more now and then.
    async fn keep(
        &mut self,
        world: &Arc<World>,
        rooms: &Arc<Rooms>,
        caller: &Caller,
    ) -> Result<(), Finding> {
        let Some(mut upload) = self.upload.clone() else { return Ok(()) };
        let Some(served) = patiently(world, upload.send(world, rooms, caller)).await else {
            return Ok(());
        };
        if later(&served)? {
            return Ok(());
        }
        upload.learn(world, &served)?;
        world.state().note(&format!("{:?} is kept", upload.id()));
        if world.state().dice.chance(30) {
            self.upload = Some(upload);
            return Ok(());
        }
        let mut body: Value =
            serde_json::from_str(&self.body.clone().unwrap_or_default()).expect("it is our own");
        body["media"] = json!([upload.attachment()]);
        self.body = Some(body.to_string());
        self.upload = None;
        self.uploaded.push(upload);
        Ok(())
    }

    /// Asks for an upload to be deleted until it is answered.
    async fn delete(
        &mut self,
        world: &Arc<World>,
        rooms: &Arc<Rooms>,
        caller: &Caller,
    ) -> Result<(), Finding> {
        let Some(id) = self.unwanted.as_ref().and_then(Upload::id) else { return Ok(()) };
        let asked = uploads::delete(world, rooms, caller, id);
        let Some(served) = patiently(world, asked).await else { return Ok(()) };
        let served = served?;
        world.state().note(&format!("{id} is deleted: {}", served.reply.status));
        if later(&served)? {
            return Ok(());
        }
        let unwanted = self.unwanted.take();
        if served.reply.status == 200 {
            return Ok(());
        }
        self.uploaded.extend(unwanted);
        let fault = explained(&served)?;
        match fault["rule"].as_str() {
            Some("media.in_use") => Ok(()),
            _ => Err(Finding::new("clients_are_served", fault.to_string())),
        }
    }

    async fn publish(
        &mut self,
        world: &Arc<World>,
        rooms: &Arc<Rooms>,
        caller: &Caller,
    ) -> Result<(), Finding> {
        let body = self.body.clone().unwrap_or_default();
        let sending = send(world, rooms, caller, &self.key, &body);
        let Some(served) = patiently(world, sending).await else { return Ok(()) };
        world.state().note(&format!("{} hears {}", self.key, served.reply.status));
        let status = served.reply.status;
        if self.reply.is_none() && status == 400 {
            let fault = explained(&served)?;
            // Only its time can have passed before anybody took it.
            if !self.schedules || fault["rule"] != "scheduledAt.future" {
                return Err(Finding::new("clients_are_served", fault.to_string()));
            }
            self.refused = true;
            self.unasked.extend(texts(&body));
            return Ok(());
        }
        if later(&served)? {
            return Ok(());
        }
        match &self.reply {
            Some((_, first)) if *first != served.reply.body => {
                let both = [first.as_slice(), served.reply.body.as_slice()].concat();
                let both = String::from_utf8_lossy(&both).into_owned();
                Err(Finding::new("equal_keys_equal_bytes", both))
            }
            Some(_) if !served.replayed => {
                let what = format!("{} was answered twice as if it were new", self.key);
                Err(Finding::new("one_batch_per_key", what))
            }
            Some(_) => Ok(()),
            None => {
                let batch = serde_json::from_slice(&served.reply.body).unwrap_or_default();
                self.learn(world, served)?;
                listed(world, rooms, caller, &batch).await
            }
        }
    }

    fn learn(&mut self, world: &Arc<World>, served: Served) -> Result<(), Finding> {
        let value: Value = serde_json::from_slice(&served.reply.body).unwrap_or_default();
        let id = value["id"].as_str().and_then(|id| id.parse::<BatchId>().ok());
        let id = id.ok_or_else(|| Finding::new("clients_are_served", value.to_string()))?;
        if !matches!(load_batch(&world.memory().durable(), id), Ok(Some(_))) {
            let what = format!("{id} was answered and is not on disk");
            return Err(Finding::new("nothing_leaves_before_its_flush", what));
        }
        self.batches.push(id);
        self.reply = Some((served.reply.status, served.reply.body));
        Ok(())
    }

    /// Another body under the same key is refused.
    async fn spoil(
        &mut self,
        world: &Arc<World>,
        rooms: &Arc<Rooms>,
        caller: &Caller,
    ) -> Result<(), Finding> {
        let other = json!({ "targets": [{ "platform": "sandbox" }], "text": "spoiled" });
        let served = send(world, rooms, caller, &self.key, &other.to_string()).await;
        if later(&served)? || served.reply.status == 409 || served.reply.status == 422 {
            return Ok(());
        }
        Err(Finding::new("one_batch_per_key", "another body was taken under the same key"))
    }

    /// What a reader sees explains itself.
    async fn read(
        &mut self,
        world: &Arc<World>,
        rooms: &Arc<Rooms>,
        caller: &Caller,
    ) -> Result<(), Finding> {
        let Some(id) = self.batches.last() else { return Ok(()) };
        match rooms.admission.get_batch(caller, &id.to_string()).await {
            Ok(reply) => {
                let mut shown = String::from_utf8_lossy(&reply.body).into_owned();
                if world.flaw == Some(Flaw::SaysNothing) {
                    shown = shown.replace("remediation", "remark");
                }
                let shown = serde_json::from_str(&shown).unwrap_or_default();
                whole(&shown)?;
                listed(world, rooms, caller, &shown).await
            }
            Err(fault) if fault.http_status() == 503 => Ok(()),
            Err(fault) => Err(Finding::new("no_batch_is_lost", format!("{id}: {fault:?}"))),
        }
    }

    fn next_wish(&self, state: &mut State) -> Option<Wish> {
        if !state.plan.losses.is_empty() {
            return None;
        }
        let (_, reply) = self.reply.as_ref()?;
        let value: Value = serde_json::from_slice(reply).ok()?;
        let results = value["results"].as_array()?;
        let at = state.dice.range(0, results.len() as u64 - 1) as usize;
        let post = results[at]["postId"].as_str()?.to_owned();
        let (verb, body) = match state.dice.range(0, 4) {
            0 => ("DELETE", String::new()),
            1 => {
                let due = state.wall().plus(Millis(state.dice.range(1_500, 20_000)));
                ("PATCH", json!({ "scheduledAt": due.to_string() }).to_string())
            }
            2 | 3 => ("PATCH", json!({ "text": state.text("edited") }).to_string()),
            _ => ("RETRY", "{}".to_owned()),
        };
        let key = state.text("wish").replace(' ', "-");
        Some(Wish { key, verb, post, body, reply: None })
    }

    /// Asks for a change until it is answered, and once more to see the same answer.
    async fn insist(
        &mut self,
        world: &Arc<World>,
        rooms: &Arc<Rooms>,
        caller: &Caller,
        wish: Wish,
    ) -> Result<(), Finding> {
        let body = Bytes::from(wish.body.clone());
        let keep = keeper(world, rooms);
        let (admission, id, key) = (&rooms.admission, request(), Some(wish.key.as_str()));
        let asking = async {
            match wish.verb {
                "DELETE" => admission.cancel(caller, &id, key, &wish.post).await,
                "PATCH" => admission.patch(caller, &id, key, &wish.post, body, keep).await,
                _ => admission.retry(caller, &id, key, &wish.post, body).await,
            }
        };
        let Some(served) = patiently(world, asking).await else { return Ok(()) };
        if later(&served)? {
            return Ok(());
        }
        if served.reply.status >= 400 {
            explained(&served)?;
        }
        world.state().note(&format!("{} {} {}", wish.key, wish.verb, served.reply.status));
        match &wish.reply {
            None if world.state().dice.chance(50) => {
                self.wish = Some(Wish { reply: Some(served.reply.body), ..wish });
            }
            Some(first) if *first != served.reply.body && served.reply.status < 500 => {
                let both = [first.as_slice(), b"\n", served.reply.body.as_slice()].concat();
                let both = String::from_utf8_lossy(&both).into_owned();
                return Err(Finding::new("equal_keys_equal_bytes", both));
            }
            _ => self.wish = None,
        }
        Ok(())
    }
}

fn target(state: &mut State) -> Value {
    let class = ["keyed", "readable", "blind"][state.dice.range(0, 2) as usize];
    let text = state.text("says");
    let one = state.dice.range(0, 1) as usize;
    if state.dice.chance(35) {
        return json!({ "accountId": state.accounts[1][one], "text": text });
    }
    let options = json!({ "platform": "sandbox", "class": class });
    json!({ "accountId": state.accounts[0][one], "text": text, "options": options })
}

async fn send(
    world: &Arc<World>,
    rooms: &Arc<Rooms>,
    caller: &Caller,
    key: &str,
    body: &str,
) -> Served {
    let keep = keeper(world, rooms);
    let route = ("POST", "/v1/posts");
    let body = Bytes::from(body.to_owned());
    rooms.admission.create(caller, &request(), Some(key), route, body, keep).await
}

/// Waits, or hangs up.
async fn patiently<T>(world: &Arc<World>, asked: impl Future<Output = T>) -> Option<T> {
    let patience = {
        let mut state = world.state();
        let hurry = state.plan.hang_ups && state.is_faulty() && state.dice.chance(20);
        if hurry { state.dice.range(1, 2_000) } else { 120_000 }
    };
    tokio::time::timeout(Duration::from_millis(patience), asked).await.ok()
}

/// Whether the server asks for another try.
fn later(served: &Served) -> Result<bool, Finding> {
    match served.reply.status {
        503 => explained(served).map(|_| true),
        409 => {
            let fault = explained(served)?;
            Ok(fault["rule"] == "idempotency_key.in_progress")
        }
        500.. => Err(Finding::new(
            "clients_are_served",
            String::from_utf8_lossy(&served.reply.body).into_owned(),
        )),
        _ => Ok(false),
    }
}

/// A refusal says what, why and what to do.
fn explained(served: &Served) -> Result<Value, Finding> {
    let value: Value = serde_json::from_slice(&served.reply.body).unwrap_or_default();
    let error = value["error"].clone();
    let said = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
    if said("code") && said("message") && said("remediation") {
        return Ok(error);
    }
    Err(Finding::new("every_failure_explains_itself", value.to_string()))
}

/// A batch as it is read: every failed target says why.
pub fn whole(batch: &Value) -> Result<(), Finding> {
    for result in batch["results"].as_array().unwrap_or(&Vec::new()) {
        let failed = matches!(result["status"].as_str(), Some("failed" | "rejected"));
        let error = &result["error"];
        let said = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
        let told = said("code") && said("message") && said("remediation") && said("rule");
        if failed && !(told && error["platformResponse"] != Value::Null) {
            return Err(Finding::new("every_failure_explains_itself", result.to_string()));
        }
    }
    Ok(())
}

/// Every text of a request.
fn texts(body: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let targets = value["targets"].as_array().cloned().unwrap_or_default();
    let all = targets.iter().chain([&value]).filter_map(|it| it["text"].as_str());
    all.map(str::to_owned).collect()
}
