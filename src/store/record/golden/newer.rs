//! A rich row of every kind that version 2 writes.

use super::*;
use crate::store::{FetchedRecord, OauthStateRecord};

const ENDPOINT: EndpointId = EndpointId::from_raw(6);
const NOTICE: NoticeId = NoticeId::from_raw(0x0196_f000_0000_0000_0000_0000_0000_0007);

fn upload() -> MediaId {
    "med_0123456789abcdefghijAB".parse().expect("a media id")
}

/// The rows whose kind changed since version 1: once with what it added, once without.
fn changed() -> Vec<(String, Key, Record)> {
    let old = rich_rows().into_iter().filter(|(_, key, _)| is_retired(key));
    let mut rows: Vec<_> = old.collect();
    let head = BatchHead { test: true, ..BatchHead::of(&batch()) };
    rows.push(("head-test".to_owned(), Key::Batch(BATCH), Record::Batch(head)));
    let timed = Target { timed_by: Some(request_id()), ..target(Cursor::Queued { due: at(1) }) };
    let key = Key::Target(BATCH, TargetIx(90));
    rows.push(("target-timed".to_owned(), key, Record::Target(Box::new(timed))));
    let ix = TargetIx(1);
    let request = || Some(request_id());
    let accepted = Batch { test: true, ..batch() };
    let events = [
        Event::Accepted(Box::new(accepted)),
        Event::Rescheduled { ix, due: at(9), request: request() },
        Event::Retried { ix, due: at(9), request: request(), force: true },
        Event::Retried { ix, due: at(9), request: None, force: false },
    ];
    for (n, event) in (90..).zip(events) {
        let stamp = Stamp { seq: 1, at: at(2), entropy: 3, epoch: 4 };
        let entry = JournalEntry { batch: BATCH, n, stamp, event };
        let record = Record::Entry(Box::new(entry));
        rows.push((format!("entry-{n}"), Key::Entry(BATCH, n), record));
    }
    rows
}

fn kept() -> Vec<(&'static str, Key, Record)> {
    let object = MediaObject {
        id: upload(),
        profile: PROFILE,
        digest: HASH,
        mime: "image/png".to_owned(),
        bytes: 68,
        created_at: at(1),
    };
    let fetched = |mime: Option<&str>| {
        let mime = mime.map(str::to_owned);
        Record::Fetched(FetchedRecord { digest: HASH, mime, bytes: 68 })
    };
    let state = OauthStateRecord { sealed: vec![1, 2, 3], expires_at: at(9) };
    vec![
        ("key-use", Key::KeyUse(KEY), Record::KeyUse(at(1))),
        ("media", Key::Media(upload()), Record::Media(object)),
        ("media-by-time", Key::MediaByTime(at(1), upload()), Record::Mark),
        ("media-use", Key::MediaUse(upload(), BATCH), Record::Mark),
        ("fetched", Key::Fetched(BATCH, HASH), fetched(Some("image/png"))),
        ("fetched-plain", Key::Fetched(BATCH, HASH), fetched(None)),
        ("removing", Key::Removing(ACCOUNT), Record::Mark),
        ("oauth-state", Key::OauthState(HASH), Record::OauthState(state)),
    ]
}

fn endpoint(retiring: Option<RetiringSecret>) -> Record {
    Record::Endpoint(Endpoint {
        id: ENDPOINT,
        url: "https://consumer.example/hook".to_owned(),
        kinds: NoticeKind::ALL.to_vec(),
        description: retiring.as_ref().map(|_| "ours".to_owned()),
        active: retiring.is_some(),
        secret: vec![4, 5, 6],
        retiring,
        created_at: at(1),
        updated_at: at(2),
    })
}

fn told() -> Vec<(&'static str, Key, Record)> {
    let retiring = RetiringSecret { secret: vec![7], until: at(3) };
    let notice = |request| {
        let data = r#"{"id":"post_1"}"#.to_owned();
        let kind = NoticeKind::PostPublished;
        Record::Notice(Notice { id: NOTICE, kind, at: at(1), request, data })
    };
    let delivery = |state| Record::Delivery(Delivery { state, attempts: 2, logged: 3 });
    let attempt = |ok: bool| {
        Record::DeliveryAttempt(DeliveryAttempt {
            id: DeliveryId::from_raw(8),
            number: 2,
            kind: NoticeKind::PostFailed,
            began_at: at(1),
            duration: Millis(12),
            status: ok.then_some(204),
            error: (!ok).then(|| "refused".to_owned()),
            answer: ok.then(String::new),
            ok,
        })
    };
    let health = |at: Option<Timestamp>, failure: Option<&str>| {
        let failure = failure.map(str::to_owned);
        Record::EndpointHealth(EndpointHealth { delivered_at: at, failure })
    };
    let (hook, log) = (Key::Endpoint(ENDPOINT), Key::DeliveryAttempt(ENDPOINT, NOTICE, 3));
    let at_hand = Key::Delivery(ENDPOINT, NOTICE);
    let why = "410 Gone".to_owned();
    vec![
        ("endpoint", hook, endpoint(None)),
        ("endpoint-retiring", hook, endpoint(Some(retiring))),
        ("health", Key::EndpointHealth(ENDPOINT), health(Some(at(1)), None)),
        ("health-ailing", Key::EndpointHealth(ENDPOINT), health(None, Some("timeout"))),
        ("delivery-due", at_hand, delivery(DeliveryState::Due { at: at(1) })),
        ("delivery-delivered", at_hand, delivery(DeliveryState::Delivered { at: at(2) })),
        ("delivery-failed", at_hand, delivery(DeliveryState::Failed { at: at(3), why })),
        ("attempt-ok", log, attempt(true)),
        ("attempt-failed", log, attempt(false)),
        ("turn", Key::DeliveryDue(ENDPOINT, at(1), NOTICE), Record::Mark),
        ("cursor", Key::NoticeCursor, Record::NoticeCursor(NOTICE)),
        ("notice", Key::Notice(NOTICE), notice(Some(request_id()))),
        ("notice-plain", Key::Notice(NOTICE), notice(None)),
    ]
}

/// A rich row of every kind that version 2 writes, and of every variant inside it.
pub(in crate::store) fn newer_rows() -> Vec<(String, Key, Record)> {
    let fresh = kept().into_iter().chain(told());
    let fresh = fresh.map(|(name, key, record)| (name.to_owned(), key, record));
    changed().into_iter().chain(fresh).collect()
}
