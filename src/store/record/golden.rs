//! The bytes of versions 1 to 3, as they were committed when each was frozen.
//!
//! There is no switch that rewrites them: when this test fails, stored records of existing users
//! have become unreadable.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

mod newer;
mod newest;

use self::newer::newer_rows;
use self::newest::newest_rows;
use super::{
    BatchHead, ClaimRecord, ClaimState, CredentialRecord, DefinitionRecord, Key, MetaRecord,
    ParkRecord, PostPlace, Record, TimerRecord, UpkeepRecord, decode, encode,
};
use crate::model::*;

const GOLDEN: &str = include_str!("../../../tests/golden/v1/records.hex");
const GOLDEN_2: &str = include_str!("../../../tests/golden/v2/records.hex");
const GOLDEN_3: &str = include_str!("../../../tests/golden/v3/records.hex");

const BATCH: BatchId = BatchId::from_raw(0x0196_f000_0000_0000_0000_0000_0000_0001);
const POST: PostId = PostId::from_raw(0x0196_f000_0000_0000_0000_0000_0000_0002);
const ACCOUNT: AccountId = AccountId::from_raw(3);
const PROFILE: ProfileId = ProfileId::from_raw(4);
const KEY: KeyId = KeyId::from_raw(5);
const HASH: Digest = Digest([0xab; 32]);
const STEP: StepRef = StepRef { step: 2, round: 1 };

const fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

fn request_id() -> RequestId {
    RequestId::from_caller("req_golden-1").expect("a request id")
}

fn fault() -> Fault {
    Fault::new(Code::PlatformRejected, "Text is too long.")
        .rule("bluesky.text.length")
        .on(Platform::Bluesky)
        .remedy("Shorten it.")
        .response(r#"{"error":"TooLong"}"#)
        .outcome(SendOutcome::Rejected)
        .status(422)
        .retry_after(30)
}

fn receipt() -> Receipt {
    Receipt {
        uri: Some("at://did:plc:x/app.bsky.feed.post/1".to_owned()),
        cid: Some("bafy".to_owned()),
        url: None,
    }
}

fn warning() -> Warning {
    Warning { code: "field.unknown".to_owned(), message: "`foo` is not known.".to_owned() }
}

fn target(cursor: Cursor) -> Target {
    Target {
        post: POST,
        account: ACCOUNT,
        profile: PROFILE,
        platform: Platform::Bluesky,
        definition: HASH,
        content: ContentIx(6),
        cursor,
        due: Some(at(1)),
        timed_by: None,
        started_at: Some(at(2)),
        lateness: Some(Millis(3)),
        attempts: 4,
        step_attempts: 5,
        step_spent: 6,
        step_reauths: 7,
        absences: 8,
        doubt_since: Some(at(9)),
        memo: BTreeMap::new(),
        receipt: Some(receipt()),
        comment: None,
        warnings: vec![warning()],
        last_fault: Some(fault()),
        published_at: Some(at(10)),
        updated_at: at(11),
    }
}

fn content() -> Content {
    let item = |kind, alt: Option<&str>, source| MediaItem {
        kind,
        alt_text: alt.map(str::to_owned),
        source,
    };
    Content {
        text: "Grüße 🎉".to_owned(),
        media: vec![
            item(
                MediaKind::Image,
                Some("a cat"),
                MediaSource::Upload("med_0123456789abcdefghijAB".parse().expect("a media id")),
            ),
            item(MediaKind::Video, None, MediaSource::Url("https://example.com/v.mp4".to_owned())),
            item(MediaKind::Image, Some(""), MediaSource::Inline(HASH)),
        ],
        first_comment: Some(FirstComment { text: "first".to_owned() }),
        options: Some(r#"{"reply":null}"#.to_owned()),
    }
}

fn batch() -> Batch {
    Batch {
        id: BATCH,
        created_at: at(0),
        request_id: request_id(),
        key: KEY,
        test: false,
        scheduled_at: Some(at(5_000)),
        claim: Some(HASH),
        reply: ReplyState::Pending { by: at(60_000) },
        contents: BTreeMap::new(),
        targets: vec![Arc::new(target(Cursor::Queued { due: at(5_000) }))],
        entries: 1,
    }
}

fn attempt() -> Attempt {
    Attempt {
        step: STEP,
        errand: Errand::Probe,
        number: 3,
        epoch: 4,
        began_at: at(5),
        deadline: at(6),
    }
}

fn cursors() -> Vec<Cursor> {
    let waiting = |why| Cursor::Waiting { step: STEP, until: at(7), why };
    vec![
        Cursor::Queued { due: at(1) },
        Cursor::Ready { step: STEP, errand: Errand::Send, since: at(2) },
        Cursor::Running(attempt()),
        waiting(WaitReason::Retry),
        waiting(WaitReason::Poll),
        waiting(WaitReason::Parked),
        waiting(WaitReason::Repeat),
        Cursor::Doubtful { step: STEP, until: at(8) },
        Cursor::Held { step: STEP, fault: fault().outcome(SendOutcome::Unknown) },
        Cursor::Ended(Outcome::Published),
        Cursor::Ended(Outcome::Rejected(fault().outcome(SendOutcome::NotSent))),
        Cursor::Ended(Outcome::Failed(fault())),
        Cursor::Ended(Outcome::Canceled),
    ]
}

fn verdicts() -> Vec<Verdict> {
    let memo: Option<Arc<str>> = Some(r#"{"blob":1}"#.into());
    let plain = || Fault::new(Code::PlatformUnavailable, "No answer.");
    let mut all = vec![
        Verdict::Done(Output {
            memo: memo.clone(),
            receipt: Some(receipt()),
            warnings: vec![warning()],
        }),
        Verdict::Again { memo, after: Millis(500) },
        Verdict::Retry { fault: plain(), after: Some(Millis(600)) },
        Verdict::Parked { fault: plain(), after: Millis(700) },
        Verdict::Reauth { fault: plain() },
        Verdict::Unknown { fault: plain() },
        Verdict::Absent,
        Verdict::Restage { fault: plain() },
    ];
    all.extend(Code::ALL.map(|code| Verdict::Refuse { fault: Fault::new(code, "No.") }));
    all
}

fn events() -> Vec<Event> {
    let ix = TargetIx(1);
    let canceled = |reason| Event::Canceled { ix, reason };
    let mut all = vec![
        Event::Accepted(Box::new(batch())),
        Event::Woke { ix },
        Event::Begun { ix },
        Event::Recovered { ix },
        Event::ReplyDue,
        Event::Rescheduled { ix, due: at(9), request: None },
        Event::Edited { ix, place: ContentIx(2), content: Arc::new(content()) },
        canceled(CancelReason::Requested),
        canceled(CancelReason::AccountRemoved),
        Event::Ruled { ix, ruling: Ruling::Published { uri: Some("at://x".to_owned()) } },
        Event::Ruled { ix, ruling: Ruling::Failed },
        Event::Missed { ix },
    ];
    all.extend(verdicts().into_iter().map(|verdict| Event::Answered {
        ix,
        number: 3,
        epoch: 4,
        verdict,
        exchange: Some(Exchange {
            request: "POST https://example.com/xrpc".to_owned(),
            status: Some(200),
            answer: "{}".to_owned(),
            duration: Millis(12),
        }),
    }));
    all
}

fn people() -> Vec<(String, Key, Record)> {
    let account = |platform| Account {
        id: ACCOUNT,
        profile: PROFILE,
        platform,
        platform_account_id: "did:plc:x".to_owned(),
        display_name: Some("X".to_owned()),
        settings: r#"{"pdsUrl":"https://pds.example"}"#.to_owned(),
        token_expires_at: Some(at(1)),
        created_at: at(2),
        updated_at: at(3),
    };
    let profile = Profile {
        id: PROFILE,
        name: "Default".to_owned(),
        slug: "default".to_owned(),
        created_at: at(1),
        updated_at: at(2),
    };
    let key = |prefix| ApiKey {
        id: KEY,
        hash: HASH,
        name: "ci".to_owned(),
        prefix,
        last4: "wxyz".to_owned(),
        scopes: vec!["posts:read".to_owned(), "admin".to_owned()],
        profile: Some(PROFILE),
        created_at: at(1),
        revoked_at: Some(at(2)),
    };
    let mut rows = vec![
        ("profile".to_owned(), Key::Profile(PROFILE), Record::Profile(profile)),
        ("live-key".to_owned(), Key::ApiKey(HASH), Record::ApiKey(key(KeyPrefix::Live))),
        ("test-key".to_owned(), Key::ApiKey(HASH), Record::ApiKey(key(KeyPrefix::Test))),
    ];
    rows.extend(Platform::ALL.map(|platform| {
        (format!("account-{platform}"), Key::Account(ACCOUNT), Record::Account(account(platform)))
    }));
    rows
}

fn indexes() -> Vec<(String, Key, Record)> {
    let claim = |state| {
        Record::Claim(ClaimRecord {
            fingerprint: HASH,
            created_at: at(1),
            expires_at: at(2),
            batch: Some(BATCH),
            state,
        })
    };
    let replied = ClaimState::Replied { status: 202, body: b"{}".to_vec() };
    let definition = DefinitionRecord { name: "bluesky".to_owned(), text: "[[step]]".to_owned() };
    let upkeep = UpkeepRecord {
        name: "trim".to_owned(),
        ran_at: at(1),
        report: "removed 3 entries".to_owned(),
    };
    let sealed = CredentialRecord { sealed: vec![1, 2, 3], version: 9 };
    [
        ("meta", Key::Meta, Record::Meta(MetaRecord { format: 1, epoch: 7 })),
        ("definition", Key::Definition(HASH), Record::Definition(definition)),
        ("credential", Key::Credential(ACCOUNT), Record::Credential(sealed)),
        ("key-by-id", Key::ApiKeyById(KEY), Record::ApiKeyById(HASH)),
        ("park", Key::Park(ACCOUNT), Record::Park(ParkRecord { until: at(1) })),
        ("timer", Key::Timer(at(1), BATCH), Record::Timer(TimerRecord { running: true })),
        ("post", Key::Post(POST), Record::Post(PostPlace { batch: BATCH, ix: TargetIx(1) })),
        ("claim-running", Key::OldClaim(HASH), claim(ClaimState::Running)),
        ("claim-replied", Key::OldClaim(HASH), claim(replied)),
        ("expiry", Key::ClaimExpiry(at(2), HASH), Record::Mark),
        ("settled", Key::Settled(at(3), BATCH), Record::Mark),
        ("upkeep", Key::Upkeep(HASH), Record::Upkeep(upkeep)),
    ]
    .map(|(name, key, record)| (name.to_owned(), key, record))
    .into()
}

/// A rich row of every kind and of every variant inside it.
pub(in crate::store) fn rich_rows() -> Vec<(String, Key, Record)> {
    let mut rows = people();
    rows.extend(indexes());
    let head = BatchHead::of(&batch());
    let given = BatchHead { reply: ReplyState::Given, ..head.clone() };
    rows.push(("head-pending".to_owned(), Key::Batch(BATCH), Record::Batch(head)));
    rows.push(("head-given".to_owned(), Key::Batch(BATCH), Record::Batch(given)));
    let content_key = Key::Content(BATCH, ContentIx(6));
    rows.push(("content".to_owned(), content_key, Record::Content(content())));
    let memo_key = Key::Memo(BATCH, TargetIx(1), STEP);
    rows.push(("memo".to_owned(), memo_key, Record::Memo(r#"{"blob":"bafy"}"#.to_owned())));
    for (n, cursor) in (0..).zip(cursors()) {
        let record = Record::Target(Box::new(target(cursor)));
        rows.push((format!("target-{n}"), Key::Target(BATCH, TargetIx(n)), record));
    }
    for (n, event) in (0..).zip(events()) {
        let stamp = Stamp { seq: 1, at: at(2), entropy: 3, epoch: 4 };
        let entry = JournalEntry { batch: BATCH, n, stamp, event };
        let record = Record::Entry(Box::new(entry));
        rows.push((format!("entry-{n}"), Key::Entry(BATCH, n), record));
    }
    rows
}

fn printed(rows: &[(String, Key, Record)]) -> String {
    let mut out = String::new();
    for (name, key, record) in rows {
        out.push_str(&print_one(name, &encode(key, record)));
    }
    out
}

fn print_one(name: &str, frame: &[u8]) -> String {
    let mut out = format!("{name}\n");
    for chunk in frame.chunks(48) {
        let hex: String = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(out, "  {hex}").expect("memory");
    }
    out
}

fn parsed(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut rows: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("  ") {
            None => rows.push((line.to_owned(), Vec::new())),
            Some(hex) => {
                let bytes = (0..hex.len())
                    .step_by(2)
                    .map(|ix| u8::from_str_radix(&hex[ix..ix + 2], 16).expect("hexadecimal"));
                rows.last_mut().expect("a name first").1.extend(bytes);
            }
        }
    }
    rows
}

/// The kinds that version 2 writes anew: version 1 of them is only read.
fn is_retired(key: &Key) -> bool {
    matches!(key, Key::Batch(_) | Key::Target(..) | Key::Entry(..))
}

/// The kinds that version 3 writes anew: version 2 of them is only read.
fn is_retired_anew(key: &Key) -> bool {
    matches!(key, Key::Entry(..))
}

#[test]
fn the_bytes_of_each_version_never_change() {
    let still: Vec<_> = rich_rows().into_iter().filter(|(_, key, _)| !is_retired(key)).collect();
    compare(&printed(&still), &only(GOLDEN, &still));
    let newer: Vec<_> = newer_rows();
    let still: Vec<_> = newer.into_iter().filter(|(_, key, _)| !is_retired_anew(key)).collect();
    compare(&printed(&still), &only(GOLDEN_2, &still));
    compare(&printed(&newest_rows()), GOLDEN_3);
}

/// Of a text, what stands under the names of these rows.
fn only(text: &str, rows: &[(String, Key, Record)]) -> String {
    parsed(text)
        .iter()
        .filter(|(name, _)| rows.iter().any(|(known, ..)| known == name))
        .map(|(name, frame)| print_one(name, frame))
        .collect()
}

fn compare(ours: &str, golden: &str) {
    let differs = ours.lines().zip(golden.lines()).position(|(ours, golden)| ours != golden);
    assert!(ours == golden, "line {differs:?} differs; we would write:\n{ours}");
}

#[test]
fn the_bytes_of_each_version_are_still_read() {
    let versions = [(GOLDEN, rich_rows()), (GOLDEN_2, newer_rows()), (GOLDEN_3, newest_rows())];
    for (text, rows) in versions {
        let golden = parsed(text);
        assert_eq!(golden.len(), rows.len());
        for ((name, frame), (expected, key, record)) in golden.into_iter().zip(rows) {
            assert_eq!(name, expected);
            assert_eq!(decode(&key, &frame), Ok(record), "{name}");
        }
    }
}
