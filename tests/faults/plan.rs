//! What the house of a seed writes: batches that are accepted, move on, settle and are forgotten.
//!
//! Commit `n` is a function of the seed and `n`, and so is what a store holds after the first `n`
//! commits. So whoever opens a store can tell exactly which commits survived, and that each did
//! whole and in its order.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare::machine::stored_wake;
use fanfare::model::{
    AccountId, Attempt, Batch, BatchId, Content, ContentIx, Cursor, Digest, Errand, Event, KeyId,
    Outcome, Platform, PostId, ProfileId, Receipt, ReplyState, RequestId, Stamp, StepRef, Target,
    TargetIx, Timestamp,
};
use fanfare::model::{JournalEntry, MediaItem, MediaKind, MediaSource};
use fanfare::store::{
    ClaimRecord, ClaimState, Key, PostPlace, Record, TimerRecord, Write, batch_writes,
};

use crate::dice::Dice;

/// Commits of one round: one batch is accepted, one begins, one settles, one is forgotten.
const ACTIONS: u64 = 4;
/// How many rounds after its acceptance a batch begins, and settles.
const BEGINS_AFTER: u64 = 2;
const SETTLES_AFTER: u64 = 5;
/// Most of a long text.
const FILLER: &str = "the quick brown fox jumps over the lazy dog, and then it jumps back again, \
    and the lazy dog opens one eye and closes it, for it has seen a fox before and it will see \
    one again; so both of them are content, and the evening goes by as all evenings do.\n";
/// How long a batch stays.
pub const KEPT_ROUNDS: u64 = 24;

/// The house of a seed.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
}

/// What is known under each key.
pub type Rows = BTreeMap<Key, Record>;

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Accepted,
    Begun,
    Settled,
}

impl Plan {
    /// The writes of commit `n`, from 0; none where there is nothing to do in it.
    pub fn commit(self, n: u64) -> Vec<Write> {
        let (round, action) = (n / ACTIONS, n % ACTIONS);
        let ago = |rounds| round.checked_sub(rounds);
        let change = match action {
            0 => Some((None, Some(self.rows(round, Stage::Accepted)))),
            1 => ago(BEGINS_AFTER).map(|round| {
                let before = self.rows(round, Stage::Accepted);
                (Some(before), Some(self.rows(round, Stage::Begun)))
            }),
            2 => ago(SETTLES_AFTER).map(|round| {
                let before = self.rows(round, Stage::Begun);
                (Some(before), Some(self.rows(round, Stage::Settled)))
            }),
            _ => ago(KEPT_ROUNDS).map(|round| (Some(self.rows(round, Stage::Settled)), None)),
        };
        let (before, after) = change.unwrap_or_default();
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let gone = before.keys().filter(|key| !after.contains_key(key)).copied();
        let mut writes: Vec<Write> = gone.map(Write::Delete).collect();
        let fresh = after.into_iter().filter(|(key, record)| before.get(key) != Some(record));
        writes.extend(fresh.map(|(key, record)| Write::Put(key, record)));
        writes
    }

    /// What a store holds after the first `count` commits.
    pub fn state(self, count: u64) -> Rows {
        let mut rows = Rows::new();
        let newest = count.div_ceil(ACTIONS);
        for round in newest.saturating_sub(KEPT_ROUNDS + 1)..newest {
            // Whether the action of a later round on this one is among the commits.
            let done = |rounds, action| (round + rounds) * ACTIONS + action < count;
            if done(KEPT_ROUNDS, 3) {
                continue;
            }
            let stage = if done(SETTLES_AFTER, 2) {
                Stage::Settled
            } else if done(BEGINS_AFTER, 1) {
                Stage::Begun
            } else {
                Stage::Accepted
            };
            rows.extend(self.rows(round, stage));
        }
        rows
    }

    /// How many commits led to these rows, if they are what a house holds at all: its newest batch
    /// tells the round, and three older ones how far the round has come.
    pub fn count(rows: &Rows) -> u64 {
        let newest = rows.range(Key::Batch(id(0))..).take_while(|(key, _)| {
            matches!(
                key,
                Key::Batch(_)
                    | Key::Target(..)
                    | Key::Content(..)
                    | Key::Memo(..)
                    | Key::Entry(..)
                    | Key::Fetched(..)
            )
        });
        let newest = newest.filter_map(|(key, _)| match key {
            Key::Batch(batch) => u64::try_from(batch.raw() - id(0).raw()).ok(),
            _ => None,
        });
        let Some(round) = newest.last() else { return 0 };
        let entries = |ago| match rows.get(&Key::Batch(id(round.checked_sub(ago)?))) {
            Some(Record::Batch(head)) => Some(head.entries),
            _ => None,
        };
        // Where there is nothing to do, it is done.
        let begun = entries(BEGINS_AFTER).is_none_or(|entries| entries > 1);
        let settled = entries(SETTLES_AFTER).is_none_or(|entries| entries > 3);
        let forgotten = entries(KEPT_ROUNDS).is_none();
        let done = [begun, settled, forgotten].into_iter().take_while(|done| *done).count();
        round * ACTIONS + 1 + done as u64
    }

    /// The attachment that must be kept before commit `n` is made.
    pub fn attachment(self, n: u64) -> Option<Vec<u8>> {
        if n.is_multiple_of(ACTIONS) { self.picture(n / ACTIONS) } else { None }
    }

    /// The attachments that the first `count` commits need.
    pub fn attachments(self, count: u64) -> Vec<Vec<u8>> {
        let newest = count.div_ceil(ACTIONS);
        let rounds = newest.saturating_sub(KEPT_ROUNDS)..newest;
        rounds.filter_map(|round| self.picture(round)).collect()
    }

    fn picture(self, round: u64) -> Option<Vec<u8>> {
        let mut dice = Dice::of(self.seed, 1, round);
        dice.chance(12).then(|| {
            let bytes = dice.size(1, 9_000);
            text(&mut dice, bytes).into_bytes()
        })
    }

    /// Everything a store holds of the batch of a round.
    fn rows(self, round: u64, stage: Stage) -> Rows {
        let batch = self.batch(round, stage);
        let mut writes = batch_writes(None, &batch);
        for n in 0..batch.entries {
            let stamp =
                Stamp { seq: round * 8 + u64::from(n), at: at(round), entropy: 7, epoch: 1 };
            let event = Event::Woke { ix: TargetIx(0) };
            let entry = JournalEntry { batch: batch.id, n, stamp, event };
            writes.push(Write::Put(Key::Entry(batch.id, n), Record::Entry(Box::new(entry))));
        }
        match stored_wake(&batch) {
            Some(wake) => {
                let timer = TimerRecord { running: stage == Stage::Begun };
                writes.push(Write::Put(Key::Timer(wake, batch.id), Record::Timer(timer)));
            }
            None => writes.push(Write::Put(Key::Settled(at(round + 9), batch.id), Record::Mark)),
        }
        for (ix, target) in batch.places() {
            let place = PostPlace { batch: batch.id, ix };
            writes.push(Write::Put(Key::Post(target.post), Record::Post(place)));
        }
        if let Some(claim) = batch.claim {
            let record = self.claim(round, &batch, stage);
            let key = Key::Claim(record.expires_at, claim);
            writes.push(Write::Put(key, Record::Claim(record)));
        }
        let rows = writes.into_iter().map(|write| match write {
            Write::Put(key, record) | Write::New(key, record) => (key, record),
            Write::Delete(key) => unreachable!("a batch of its own deletes nothing: {key}"),
        });
        rows.collect()
    }

    fn claim(self, round: u64, batch: &Batch, stage: Stage) -> ClaimRecord {
        let state = if stage == Stage::Settled {
            let mut dice = Dice::of(self.seed, 2, round);
            let bytes = dice.size(200, 1_500);
            ClaimState::Replied { status: 200, body: text(&mut dice, bytes).into_bytes() }
        } else {
            ClaimState::Running
        };
        ClaimRecord {
            fingerprint: digest(self.seed, 3, round),
            created_at: at(round),
            expires_at: at(round + 99),
            batch: Some(batch.id),
            state,
        }
    }

    fn batch(self, round: u64, stage: Stage) -> Batch {
        let mut dice = Dice::of(self.seed, 4, round);
        let targets = if dice.chance(4) { 25 } else { dice.size(1, 4) };
        let contents: BTreeMap<ContentIx, Arc<Content>> = (0..1 + u16::from(dice.chance(20)))
            .map(|ix| (ContentIx(ix), Arc::new(self.content(round, ix, &mut dice))))
            .collect();
        let places = contents.len();
        let entries = match stage {
            Stage::Accepted => 1,
            Stage::Begun => 3,
            Stage::Settled => 6,
        };
        Batch {
            id: id(round),
            created_at: at(round),
            request_id: RequestId::fresh(at(round), dice.wide()),
            key: KeyId::from_raw(1),
            test: false,
            scheduled_at: dice.chance(50).then(|| at(round + 50)),
            claim: dice.chance(60).then(|| digest(self.seed, 5, round)),
            reply: ReplyState::Given,
            contents,
            targets: (0..targets)
                .map(|ix| Arc::new(self.target(round, ix, stage, places, &mut dice)))
                .collect(),
            entries,
        }
    }

    /// Most texts are short; some go to rows of their own, some to a file beside the tree.
    fn content(self, round: u64, ix: u16, dice: &mut Dice) -> Content {
        let bytes = match dice.below(64) {
            0 => dice.size(70_000, 200_000),
            1..=3 => dice.size(10_000, 50_000),
            4..=10 => dice.size(1_000, 6_000),
            _ => dice.size(20, 600),
        };
        let picture = self.picture(round).filter(|_| ix == 0);
        let media = picture.map(|bytes| MediaItem {
            kind: MediaKind::Image,
            alt_text: Some("a picture".to_owned()),
            source: MediaSource::Inline(sha256(&bytes)),
        });
        Content {
            text: text(dice, bytes),
            media: media.into_iter().collect(),
            ..Content::default()
        }
    }

    fn target(
        self,
        round: u64,
        ix: usize,
        stage: Stage,
        contents: usize,
        dice: &mut Dice,
    ) -> Target {
        let post = u128::from(2u64) << 80 | u128::from(round) << 8 | ix as u128;
        let step = StepRef { step: 0, round: 0 };
        let uri = format!("at://did:plc:abcdefghij/app.bsky.feed.post/{:016x}", dice.next());
        let memo = format!("{{\"cid\":\"{:032x}\"}}", dice.wide());
        let attempt = Attempt {
            step,
            errand: Errand::Send,
            number: 1,
            epoch: 1,
            began_at: at(round),
            deadline: at(round + 60),
        };
        let (cursor, attempts) = match stage {
            Stage::Accepted => (Cursor::Queued { due: at(round + 50) }, 0),
            Stage::Begun => (Cursor::Running(attempt), 1),
            Stage::Settled => (Cursor::Ended(Outcome::Published), 1),
        };
        let settled = stage == Stage::Settled;
        Target {
            post: PostId::from_raw(post),
            account: AccountId::from_raw(dice.wide()),
            profile: ProfileId::from_raw(1),
            platform: Platform::Bluesky,
            definition: Digest([9; 32]),
            content: ContentIx(u16::try_from(ix % contents).expect("few")),
            cursor,
            due: Some(at(round + 50)),
            timed_by: None,
            started_at: (attempts > 0).then(|| at(round)),
            lateness: None,
            attempts,
            step_attempts: attempts,
            step_spent: 0,
            step_reauths: 0,
            absences: 0,
            doubt_since: None,
            memo: settled.then(|| (step, memo.into())).into_iter().collect(),
            receipt: settled.then(|| Receipt { uri: Some(uri), ..Receipt::default() }),
            comment: None,
            warnings: Vec::new(),
            last_fault: None,
            published_at: settled.then(|| at(round + 51)),
            updated_at: at(round + u64::from(attempts)),
        }
    }
}

/// The batch of a round.
const fn id(round: u64) -> BatchId {
    BatchId::from_raw(1 << 80 | round as u128)
}

/// An instant of the house's time.
fn at(round: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + i64::try_from(round).expect("small") * 1_000)
}

fn digest(seed: u64, kind: u64, round: u64) -> Digest {
    sha256(format!("{seed} {kind} {round}").as_bytes())
}

pub fn sha256(bytes: &[u8]) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    Digest(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
}

/// A text of so many bytes; every 256 of them differ.
fn text(dice: &mut Dice, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes + 256);
    while out.len() < bytes {
        out.push_str(&format!("{:016x}{FILLER}", dice.next()));
    }
    out.truncate(bytes);
    out
}
