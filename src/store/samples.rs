//! Sample rows for the tests of this room: one rich row a kind, and random ones by the seed.

mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{
    BatchHead, ClaimRecord, ClaimState, CredentialRecord, DefinitionRecord, Key, MetaRecord,
    ParkRecord, PostPlace, Record, TimerRecord, UpkeepRecord,
};
use crate::model::*;

/// A stream of made-up values; the same seed makes the same values.
pub(in crate::store) struct Maker(u64);

impl Maker {
    pub(in crate::store) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::store) fn num(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.num() % bound
    }

    fn small(&mut self) -> u32 {
        self.below(1_000) as u32
    }

    fn wide(&mut self) -> u128 {
        (u128::from(self.num()) << 64) | u128::from(self.num())
    }

    fn digest(&mut self) -> Digest {
        let mut out = [0; 32];
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.num().to_be_bytes());
        }
        Digest(out)
    }

    fn at(&mut self) -> Timestamp {
        Timestamp::from_millis(self.num() as i64 >> self.below(60))
    }

    fn text(&mut self) -> String {
        let words =
            ["", "plain", "größer", "two words", "日本語", "\u{0}\n\"", "🎉", "long enough"];
        (0..self.below(6)).map(|_| words[self.below(8) as usize]).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn some<T>(&mut self, max: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|_| make(self)).collect()
    }

    fn request_id(&mut self) -> RequestId {
        RequestId::fresh(Timestamp::from_millis(1_700_000_000_000), self.wide())
    }

    fn platform(&mut self) -> Platform {
        Platform::ALL[self.below(9) as usize]
    }

    fn step(&mut self) -> StepRef {
        StepRef { step: self.below(9) as u16, round: self.below(4) as u16 }
    }

    fn fault(&mut self) -> Fault {
        let outcomes = [SendOutcome::NotSent, SendOutcome::Rejected, SendOutcome::Unknown];
        Fault {
            code: Code::ALL[self.below(12) as usize],
            message: self.text(),
            rule: self.maybe(Self::text),
            platform: self.maybe(Self::platform),
            platform_response: self.maybe(Self::text),
            remediation: self.maybe(Self::text),
            outcome: self.maybe(|it| outcomes[it.below(3) as usize]),
            retryable: self.below(2) == 0,
            status: self.maybe(|it| it.below(600) as u16),
            retry_after_s: self.maybe(Self::small),
        }
    }

    fn receipt(&mut self) -> Receipt {
        Receipt {
            uri: self.maybe(Self::text),
            cid: self.maybe(Self::text),
            url: self.maybe(Self::text),
        }
    }

    fn warning(&mut self) -> Warning {
        Warning { code: self.text(), message: self.text() }
    }

    fn errand(&mut self) -> Errand {
        if self.below(2) == 0 { Errand::Send } else { Errand::Probe }
    }

    fn cursor(&mut self) -> Cursor {
        let whys = [WaitReason::Retry, WaitReason::Poll, WaitReason::Parked, WaitReason::Repeat];
        match self.below(10) {
            0 => Cursor::Queued { due: self.at() },
            1 => Cursor::Ready { step: self.step(), errand: self.errand(), since: self.at() },
            2 => Cursor::Running(Attempt {
                step: self.step(),
                errand: self.errand(),
                number: self.small(),
                epoch: self.num(),
                began_at: self.at(),
                deadline: self.at(),
            }),
            3 => Cursor::Waiting {
                step: self.step(),
                until: self.at(),
                why: whys[self.below(4) as usize],
            },
            4 => Cursor::Doubtful { step: self.step(), until: self.at() },
            5 => Cursor::Held { step: self.step(), fault: self.fault() },
            6 => Cursor::Ended(Outcome::Published),
            7 => Cursor::Ended(Outcome::Rejected(self.fault())),
            8 => Cursor::Ended(Outcome::Failed(self.fault())),
            _ => Cursor::Ended(Outcome::Canceled),
        }
    }

    /// A target without memos, as it is stored.
    pub(in crate::store) fn target(&mut self) -> Target {
        Target {
            post: PostId::from_raw(self.wide()),
            account: AccountId::from_raw(self.wide()),
            profile: ProfileId::from_raw(self.wide()),
            platform: self.platform(),
            definition: self.digest(),
            content: ContentIx(self.below(25) as u16),
            cursor: self.cursor(),
            due: self.maybe(Self::at),
            timed_by: self.maybe(Self::request_id),
            started_at: self.maybe(Self::at),
            lateness: self.maybe(|it| Millis(it.num())),
            attempts: self.small(),
            step_attempts: self.small(),
            step_spent: self.small(),
            step_reauths: self.small(),
            absences: self.small(),
            doubt_since: self.maybe(Self::at),
            memo: BTreeMap::new(),
            receipt: self.maybe(Self::receipt),
            comment: self.maybe(Self::receipt),
            warnings: self.some(3, Self::warning),
            last_fault: self.maybe(Self::fault),
            published_at: self.maybe(Self::at),
            updated_at: self.at(),
        }
    }

    fn media_source(&mut self) -> MediaSource {
        match self.below(3) {
            0 => MediaSource::Upload("med_0123456789abcdefghijAB".parse().expect("a media id")),
            1 => MediaSource::Url(self.text()),
            _ => MediaSource::Inline(self.digest()),
        }
    }

    pub(in crate::store) fn content(&mut self) -> Content {
        Content {
            text: self.text(),
            media: self.some(3, |it| MediaItem {
                kind: if it.below(2) == 0 { MediaKind::Image } else { MediaKind::Video },
                alt_text: it.maybe(Self::text),
                source: it.media_source(),
            }),
            first_comment: self.maybe(|it| FirstComment { text: it.text() }),
            options: self.maybe(Self::text),
        }
    }

    fn reply(&mut self) -> ReplyState {
        if self.below(2) == 0 { ReplyState::Given } else { ReplyState::Pending { by: self.at() } }
    }

    /// A batch whose every target names one of its contents; some targets have memos.
    pub(in crate::store) fn batch(&mut self, targets: usize) -> Batch {
        let contents: BTreeMap<_, _> =
            (0..3).map(|ix| (ContentIx(ix), Arc::new(self.content()))).collect();
        let targets = (0..targets)
            .map(|_| {
                let mut target = self.target();
                target.content = ContentIx(self.below(3) as u16);
                target.memo =
                    self.some(2, |it| (it.step(), it.text().into())).into_iter().collect();
                Arc::new(target)
            })
            .collect();
        Batch {
            id: BatchId::from_raw(self.wide()),
            created_at: self.at(),
            request_id: self.request_id(),
            key: KeyId::from_raw(self.wide()),
            test: self.below(2) == 0,
            scheduled_at: self.maybe(Self::at),
            claim: self.maybe(Self::digest),
            reply: self.reply(),
            contents,
            targets,
            entries: self.small(),
        }
    }

    fn verdict(&mut self) -> Verdict {
        match self.below(9) {
            0 => Verdict::Done(Output {
                memo: self.maybe(|it| it.text().into()),
                receipt: self.maybe(Self::receipt),
                warnings: self.some(2, Self::warning),
            }),
            1 => Verdict::Again {
                memo: self.maybe(|it| it.text().into()),
                after: Millis(self.num()),
            },
            2 => Verdict::Retry { fault: self.fault(), after: self.maybe(|it| Millis(it.num())) },
            3 => Verdict::Parked { fault: self.fault(), after: Millis(self.num()) },
            4 => Verdict::Refuse { fault: self.fault() },
            5 => Verdict::Reauth { fault: self.fault() },
            6 => Verdict::Unknown { fault: self.fault() },
            7 => Verdict::Absent,
            _ => Verdict::Restage { fault: self.fault() },
        }
    }

    /// An event of the `kind`-th variant, as it is stored.
    fn event(&mut self, kind: u64) -> Event {
        let ix = TargetIx(self.below(25) as u8);
        match kind {
            0 => {
                let mut batch = self.batch(2);
                batch.contents.clear();
                for target in &mut batch.targets {
                    Arc::make_mut(target).memo.clear();
                }
                Event::Accepted(Box::new(batch))
            }
            1 => Event::Woke { ix },
            2 => Event::Begun { ix },
            3 => Event::Answered {
                ix,
                number: self.small(),
                epoch: self.num(),
                verdict: self.verdict(),
                exchange: self.maybe(|it| Exchange {
                    request: it.text(),
                    status: it.maybe(|it| it.below(600) as u16),
                    answer: it.text(),
                    duration: Millis(it.num()),
                }),
            },
            4 => Event::Recovered { ix },
            5 => Event::ReplyDue,
            6 => Event::Rescheduled { ix, due: self.at(), request: self.maybe(Self::request_id) },
            7 => Event::Edited {
                ix,
                place: ContentIx(self.below(90) as u16),
                content: Arc::new(self.content()),
            },
            8 if self.below(2) == 0 => Event::Canceled { ix, reason: CancelReason::Requested },
            8 => Event::Canceled { ix, reason: CancelReason::AccountRemoved },
            9 if self.below(2) == 0 => Event::Ruled { ix, ruling: Ruling::Failed },
            10 => Event::Missed { ix },
            11 => Event::Retried {
                ix,
                due: self.at(),
                request: self.maybe(Self::request_id),
                force: self.below(2) == 0,
            },
            12 => Event::Restored { ix, since: self.at(), overdue: self.below(2) == 0 },
            _ => {
                let uri = self.maybe(Self::text);
                Event::Ruled { ix, ruling: Ruling::Published { uri } }
            }
        }
    }

    fn entry(&mut self, kind: u64) -> Record {
        Record::Entry(Box::new(JournalEntry {
            batch: BatchId::from_raw(self.wide()),
            n: self.small(),
            stamp: Stamp { seq: self.num(), at: self.at(), entropy: self.num(), epoch: self.num() },
            event: self.event(kind),
        }))
    }

    fn key(&mut self) -> Key {
        let batch = BatchId::from_raw(self.wide());
        match self.below(KINDS) {
            0 => Key::Meta,
            1 => Key::Definition(self.digest()),
            2 => Key::Profile(ProfileId::from_raw(self.wide())),
            3 => Key::Account(AccountId::from_raw(self.wide())),
            4 => Key::Credential(AccountId::from_raw(self.wide())),
            5 => Key::ApiKey(self.digest()),
            6 => Key::ApiKeyById(KeyId::from_raw(self.wide())),
            7 => Key::Park(AccountId::from_raw(self.wide())),
            8 => Key::Batch(batch),
            9 => Key::Target(batch, TargetIx(self.num() as u8)),
            10 => Key::Content(batch, ContentIx(self.num() as u16)),
            11 => Key::Memo(batch, TargetIx(self.num() as u8), self.step()),
            12 => Key::Entry(batch, self.num() as u32),
            13 => Key::Timer(self.at(), batch),
            14 => Key::Post(PostId::from_raw(self.wide())),
            15 => Key::Claim(self.at(), self.digest()),
            16 => Key::ClaimExpiry(self.at(), self.digest()),
            17 => Key::Settled(self.at(), batch),
            18 => Key::Upkeep(self.digest()),
            19 => Key::KeyUse(KeyId::from_raw(self.wide())),
            20 => Key::Media(MediaId::fresh(self.wide())),
            21 => Key::MediaByTime(self.at(), MediaId::fresh(self.wide())),
            22 => Key::MediaUse(MediaId::fresh(self.wide()), batch),
            23 => Key::Endpoint(EndpointId::from_raw(self.wide())),
            24 => Key::EndpointHealth(EndpointId::from_raw(self.wide())),
            25 => Key::OauthState(self.digest()),
            26 => Key::Fetched(batch, self.digest()),
            34 => Key::OldClaim(self.digest()),
            35 => Key::ClockLeap(self.at(), Millis(self.num())),
            32 => Key::Removing(AccountId::from_raw(self.wide())),
            33 => Key::EndpointSince(EndpointId::from_raw(self.wide())),
            kind => self.delivery_key(kind),
        }
    }

    fn record(&mut self, key: &Key) -> Record {
        match key {
            Key::Meta => Record::Meta(MetaRecord { format: self.small(), epoch: self.num() }),
            Key::Definition(_) => {
                Record::Definition(DefinitionRecord { name: self.text(), text: self.text() })
            }
            Key::Profile(id) => Record::Profile(Profile {
                id: *id,
                name: self.text(),
                slug: self.text(),
                created_at: self.at(),
                updated_at: self.at(),
            }),
            Key::Account(id) => Record::Account(self.account(*id)),
            Key::Credential(_) => Record::Credential(CredentialRecord {
                sealed: self.text().into_bytes(),
                version: self.num(),
            }),
            Key::ApiKey(hash) => Record::ApiKey(self.api_key(*hash)),
            Key::ApiKeyById(_) => Record::ApiKeyById(self.digest()),
            Key::Park(_) => Record::Park(ParkRecord { until: self.at() }),
            Key::Batch(_) => Record::Batch(BatchHead::of(&self.batch(2))),
            Key::Target(..) => Record::Target(Box::new(self.target())),
            Key::Content(..) => Record::Content(self.content()),
            Key::Memo(..) => Record::Memo(self.text()),
            Key::Entry(..) => {
                let kind = self.below(14);
                self.entry(kind)
            }
            Key::Timer(..) => Record::Timer(TimerRecord { running: self.below(2) == 0 }),
            Key::Post(_) => Record::Post(PostPlace {
                batch: BatchId::from_raw(self.wide()),
                ix: TargetIx(self.num() as u8),
            }),
            Key::Claim(..) | Key::OldClaim(_) => Record::Claim(self.claim()),
            Key::ClaimExpiry(..)
            | Key::Settled(..)
            | Key::MediaByTime(..)
            | Key::MediaUse(..)
            | Key::DeliveryDue(..)
            | Key::ClockLeap(..)
            | Key::Removing(_) => Record::Mark,
            Key::Upkeep(_) => Record::Upkeep(UpkeepRecord {
                name: self.text(),
                ran_at: self.at(),
                report: self.text(),
            }),
            Key::KeyUse(_) | Key::Media(_) | Key::OauthState(_) | Key::Fetched(..) => {
                self.kept(key)
            }
            Key::Endpoint(_)
            | Key::EndpointHealth(_)
            | Key::Delivery(..)
            | Key::DeliveryAttempt(..)
            | Key::NoticeCursor
            | Key::EndpointSince(_)
            | Key::Notice(_) => self.told(key),
        }
    }

    fn account(&mut self, id: AccountId) -> Account {
        Account {
            id,
            profile: ProfileId::from_raw(self.wide()),
            platform: self.platform(),
            platform_account_id: self.text(),
            display_name: self.maybe(Self::text),
            settings: self.text(),
            token_expires_at: self.maybe(Self::at),
            created_at: self.at(),
            updated_at: self.at(),
        }
    }

    fn api_key(&mut self, hash: Digest) -> ApiKey {
        ApiKey {
            id: KeyId::from_raw(self.wide()),
            hash,
            name: self.text(),
            prefix: if self.below(2) == 0 { KeyPrefix::Live } else { KeyPrefix::Test },
            last4: self.text(),
            scopes: self.some(3, Self::text),
            profile: self.maybe(|it| ProfileId::from_raw(it.wide())),
            created_at: self.at(),
            revoked_at: self.maybe(Self::at),
        }
    }

    fn claim(&mut self) -> ClaimRecord {
        ClaimRecord {
            fingerprint: self.digest(),
            created_at: self.at(),
            expires_at: self.at(),
            batch: self.maybe(|it| BatchId::from_raw(it.wide())),
            state: if self.below(2) == 0 {
                ClaimState::Running
            } else {
                ClaimState::Replied { status: 200, body: self.text().into_bytes() }
            },
        }
    }
}

const KINDS: u64 = 36;

/// Any key of any family.
pub(in crate::store) fn any_key() -> impl Strategy<Value = Key> {
    any::<u64>().prop_map(|seed| Maker::new(seed).key())
}

/// Any key with a record of its kind.
pub(in crate::store) fn any_row() -> impl Strategy<Value = (Key, Record)> {
    any::<u64>().prop_map(|seed| {
        let mut maker = Maker::new(seed);
        let key = maker.key();
        let record = maker.record(&key);
        (key, record)
    })
}
