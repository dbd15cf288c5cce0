//! Clients that retry with their key until they are answered, send twice, change their mind, and
//! an operator who rules.

use std::fmt::Write as _;

use fanfare::engine::{
    Asking, Change, ChangeError, Changed, Claim, EngineError, Input, NewTarget, Submission,
    Submitted,
};
use fanfare::model::{
    AccountId, BatchId, CancelReason, Content, ContentIx, Cursor, Digest, FirstComment, KeyId,
    MediaItem, MediaKind, MediaSource, Millis, Outcome, Platform, PostId, ProfileId, RequestId,
    Ruling, Timestamp,
};
use fanfare::store::{Memory, load_batch};
use tokio::sync::oneshot;

use crate::checkers::DEFINITIONS;
use crate::dice::Dice;
use crate::journal::Finding;

type Submitting = oneshot::Receiver<Result<Submitted, EngineError>>;
type Changing = oneshot::Receiver<Result<Changed, ChangeError>>;

struct Client {
    claim: Claim,
    targets: Vec<NewTarget>,
    contents: Vec<Content>,
    schedule_ms: Option<u64>,
    scheduled_at: Option<Timestamp>,
    waiting: Vec<Submitting>,
    spoiled: Option<Submitting>,
    changing: Vec<Changing>,
    reply: Option<Vec<u8>>,
    batch: Option<BatchId>,
    fresh_replies: u32,
    wishes: u32,
}

/// All clients of the world.
pub struct Clients {
    clients: Vec<Client>,
}

/// What the clients learned.
#[derive(Default)]
pub struct Learned {
    pub accepted: Vec<BatchId>,
    pub again: Vec<usize>,
}

impl Clients {
    pub fn new(dice: &mut Dice) -> Self {
        let count = dice.range(2, 8);
        Self { clients: (0..count).map(|n| Client::new(n, dice)).collect() }
    }

    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// The batches of all clients that know theirs.
    pub fn batches(&self) -> impl Iterator<Item = BatchId> {
        self.clients.iter().filter_map(|client| client.batch)
    }

    /// Client `ix` does something; and when it wants to do something again, in milliseconds.
    pub fn act(
        &mut self,
        ix: usize,
        wall: Timestamp,
        store: &Memory,
        dice: &mut Dice,
    ) -> (Vec<Input>, Option<u64>) {
        let client = &mut self.clients[ix];
        if client.reply.is_none() || dice.chance(15) {
            return (client.submit(wall, dice), client.next_wish(dice));
        }
        let inputs = client.change(wall, store, dice);
        (inputs, client.next_wish(dice))
    }

    /// Gathers answers. A lost answer makes its client try again.
    pub fn hear(&mut self, trace: &mut String, now_ms: u64) -> Result<Learned, Finding> {
        let mut learned = Learned::default();
        for (ix, client) in self.clients.iter_mut().enumerate() {
            let mut again = false;
            for mut receiver in std::mem::take(&mut client.waiting) {
                match receiver.try_recv() {
                    Err(oneshot::error::TryRecvError::Empty) => client.waiting.push(receiver),
                    Err(oneshot::error::TryRecvError::Closed)
                    | Ok(Err(EngineError::Stopping | EngineError::Full)) => again = true,
                    Ok(Err(problem)) => {
                        return Err(Finding::new("clients_are_served", problem.to_string()));
                    }
                    Ok(Ok(answer)) => {
                        let _ = writeln!(trace, "{now_ms} reply {ix} {}", answer.reply.status);
                        learned.accepted.extend(client.heard(answer)?);
                    }
                }
            }
            client.check_spoiled()?;
            client.changing.retain_mut(|receiver| {
                matches!(receiver.try_recv(), Err(oneshot::error::TryRecvError::Empty))
            });
            if again {
                learned.again.push(ix);
            }
        }
        Ok(learned)
    }

    /// The first client that was never answered.
    pub fn unanswered(&self) -> Option<usize> {
        self.clients.iter().position(|client| client.reply.is_none())
    }
}

impl Client {
    fn new(n: u64, dice: &mut Dice) -> Self {
        let mut contents = Vec::new();
        for variant in 0..dice.range(1, 2) {
            contents.push(content(n, variant, dice));
        }
        let count = dice.range(1, 4);
        let targets = (0..count)
            .map(|_| {
                let (name, account) = DEFINITIONS[dice.range(0, 2) as usize];
                NewTarget {
                    account: AccountId::from_raw(account + u128::from(dice.range(0, 1))),
                    profile: ProfileId::from_raw(1),
                    platform: Platform::Sandbox,
                    definition: crate::checkers::digest_of(name),
                    content: ContentIx(dice.range(0, contents.len() as u64 - 1) as u16),
                    warnings: Vec::new(),
                }
            })
            .collect();
        let mut id = [0; 32];
        id[0] = u8::try_from(n).expect("few clients");
        Self {
            claim: Claim { id: Digest(id), fingerprint: Digest([1; 32]) },
            targets,
            contents,
            schedule_ms: dice.chance(50).then(|| dice.range(1_000, 40_000)),
            scheduled_at: None,
            waiting: Vec::new(),
            spoiled: None,
            changing: Vec::new(),
            reply: None,
            batch: None,
            fresh_replies: 0,
            wishes: 0,
        }
    }

    fn submit(&mut self, wall: Timestamp, dice: &mut Dice) -> Vec<Input> {
        let mut inputs = Vec::new();
        for _ in 0..if dice.chance(30) { 2 } else { 1 } {
            let (ticket, receiver) = oneshot::channel();
            self.waiting.push(receiver);
            inputs.push(Input::Submit(Box::new(self.submission(wall)), ticket));
        }
        if self.reply.is_some() && self.spoiled.is_none() && dice.chance(30) {
            let (ticket, receiver) = oneshot::channel();
            let mut other = self.submission(wall);
            other.claim = Some(Claim { fingerprint: Digest([2; 32]), ..self.claim });
            self.spoiled = Some(receiver);
            inputs.push(Input::Submit(Box::new(other), ticket));
        }
        inputs
    }

    fn submission(&mut self, wall: Timestamp) -> Submission {
        // The body is the same bytes at every retry, its time included.
        if let Some(ms) = self.schedule_ms {
            self.scheduled_at.get_or_insert(wall.plus(Millis(ms)));
        }
        Submission {
            request_id: RequestId::from_caller("sim").expect("well formed"),
            key: KeyId::from_raw(1),
            test: false,
            claim: Some(self.claim),
            scheduled_at: self.scheduled_at,
            contents: self.contents.clone(),
            targets: self.targets.clone(),
        }
    }

    fn change(&mut self, wall: Timestamp, store: &Memory, dice: &mut Dice) -> Vec<Input> {
        let batch = self.batch.and_then(|id| load_batch(store, id).ok().flatten());
        let Some(batch) = batch else { return Vec::new() };
        let ix = dice.range(0, batch.targets.len() as u64 - 1) as usize;
        let target = &batch.targets[ix];
        let change = if matches!(target.cursor, Cursor::Held { .. }) {
            let ruling =
                if dice.chance(50) { Ruling::Published { uri: None } } else { Ruling::Failed };
            Change::Rule { ruling }
        } else if is_retryable(&target.cursor) {
            Change::Retry { due: None, force: false }
        } else {
            match dice.range(0, 3) {
                0 => Change::Cancel { reason: CancelReason::Requested },
                1 => {
                    let due = wall.plus(Millis(dice.range(1_000, 20_000)));
                    Change::Patch { due: Some(due), content: None }
                }
                _ => {
                    let edited = Content {
                        text: format!("edited {}", dice.range(0, 9)),
                        ..Content::clone(batch.content_of(target))
                    };
                    Change::Patch { due: None, content: Some((target.content, edited)) }
                }
            }
        };
        let post: PostId = target.post;
        let (ticket, receiver) = oneshot::channel();
        self.changing.push(receiver);
        vec![Input::Change(post, change, Asking::default(), ticket)]
    }

    fn next_wish(&mut self, dice: &mut Dice) -> Option<u64> {
        self.wishes += 1;
        (self.wishes < 6 && dice.chance(70)).then(|| dice.range(100, 8_000))
    }

    fn heard(&mut self, answer: Submitted) -> Result<Option<BatchId>, Finding> {
        if !answer.replayed {
            self.fresh_replies += 1;
        }
        if self.fresh_replies > 1 {
            let what = "two replies to one key say they are no replay".to_owned();
            return Err(Finding::new("one_batch_per_key", what));
        }
        match &self.reply {
            Some(first) if *first != answer.reply.body => {
                let both = format!(
                    "{}\n{}",
                    String::from_utf8_lossy(first),
                    String::from_utf8_lossy(&answer.reply.body)
                );
                Err(Finding::new("equal_keys_equal_bytes", both))
            }
            Some(_) => Ok(None),
            None => {
                let body: serde_json::Value = serde_json::from_slice(&answer.reply.body)
                    .map_err(|e| Finding::new("clients_are_served", e.to_string()))?;
                self.batch = body["id"].as_str().and_then(|id| id.parse().ok());
                self.reply = Some(answer.reply.body);
                Ok(self.batch)
            }
        }
    }

    fn check_spoiled(&mut self) -> Result<(), Finding> {
        let Some(receiver) = &mut self.spoiled else { return Ok(()) };
        match receiver.try_recv() {
            Ok(Err(EngineError::Mismatch)) | Err(oneshot::error::TryRecvError::Closed) => {
                self.spoiled = None;
                Ok(())
            }
            Err(oneshot::error::TryRecvError::Empty) | Ok(Err(_)) => Ok(()),
            Ok(Ok(_)) => {
                let what = "another body under the same key was accepted".to_owned();
                Err(Finding::new("one_batch_per_key", what))
            }
        }
    }
}

/// Whether a careful client tries a post again: it is certain not to be live. What an operator
/// ruled on blindly is not.
fn is_retryable(cursor: &Cursor) -> bool {
    match cursor {
        Cursor::Ended(Outcome::Failed(fault) | Outcome::Rejected(fault)) => {
            !fault.rule.as_deref().is_some_and(|rule| rule.ends_with("outcome_unknown"))
        }
        Cursor::Ended(Outcome::Canceled) => true,
        _ => false,
    }
}

fn content(n: u64, variant: u64, dice: &mut Dice) -> Content {
    let media = MediaItem {
        kind: MediaKind::Image,
        alt_text: None,
        source: MediaSource::Inline(Digest([9; 32])),
    };
    Content {
        text: format!("client {n} says {variant}"),
        media: if dice.chance(25) { vec![media] } else { Vec::new() },
        first_comment: dice.chance(30).then(|| FirstComment { text: "and".to_owned() }),
        options: None,
    }
}
