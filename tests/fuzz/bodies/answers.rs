//! What platforms answer, read by every codec for every step.
//!
//! An input is five choices (codec, step, kind of answer, errand, attachments), the status in two
//! bytes, a byte of flags, then lines: a header's value, what the step gave before, the text, the
//! options; the rest is the answer's body.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare::model::{
    AccountId, Content, Digest, Errand, Fault, FirstComment, MediaItem, MediaKind, MediaSource,
    Millis, PostId, Receipt, Secret, SendOutcome, Timestamp, Verdict,
};
use fanfare::platforms::bluesky::session::read_session;
use fanfare::platforms::pinterest::{BoardRefusal, read_board, read_boards};
use fanfare::platforms::{
    Access, Answer, ClockTrust, Context, MediaFacts, Platform, Rehearsal, registry,
};

use super::cut::Cut;
use super::faults;

/// No rest that a platform asks for is longer.
const REST_MAX: Millis = Millis::from_secs(86_400);
const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// See `ALL`.
pub fn run(input: &[u8]) {
    let mut cut = Cut::new(input);
    let real: Vec<Arc<dyn Platform>> = registry().into_values().collect();
    let mut codecs = real.clone();
    codecs.extend(real.into_iter().map(|real| Arc::new(Rehearsal::of(real)) as Arc<dyn Platform>));
    let codec = &codecs[usize::from(cut.byte()) % codecs.len()];
    let step = cut.pick(codec.steps());
    let kind = cut.byte() % 8;
    let errand = if cut.flag() { Errand::Probe } else { Errand::Send };
    let attachments = usize::from(cut.byte() % 5);
    let status = u16::from_be_bytes([cut.byte(), cut.byte()]) % 600;
    let flags = cut.byte();
    let header = cut.text();
    let memo = cut.some_text();
    let content = content(&mut cut, attachments, flags);
    let answer = answer(kind, status, &header, cut.rest());
    let access = Access {
        base_url: "http://h".to_owned(),
        platform_account_id: "did:plc:a".to_owned(),
        token: Secret::new("token"),
    };
    let receipt = Receipt {
        uri: Some("at://a/b/c".to_owned()),
        cid: (flags & 8 == 0).then(|| "cid".to_owned()),
        url: None,
    };
    let mut memos: BTreeMap<&str, Vec<Arc<str>>> = BTreeMap::new();
    if let Some(memo) = memo {
        let memo: Arc<str> = memo.into();
        for step in codec.steps() {
            memos.insert(step, vec![Arc::clone(&memo); attachments.max(1)]);
        }
    }
    let cx = Context {
        step,
        round: 0,
        errand,
        step_attempt: u32::from(flags & 3) + 1,
        post: PostId::from_raw(7),
        account: AccountId::from_raw(8),
        content: &content,
        started_at: AT,
        doubt_since: (flags & 16 != 0).then_some(AT),
        began_at: if flags & 32 == 0 { AT } else { AT.minus(Millis(1)) },
        clock_ahead: (flags & 64 != 0).then_some(i64::from(flags) * 1_000),
        clock: match (flags & 32, flags & 1) {
            (0, 0) => ClockTrust::Steady,
            (0, _) => ClockTrust::Unwatched,
            _ => ClockTrust::Wrong,
        },
        memos,
        receipt: (flags & 128 == 0).then_some(&receipt),
        media: vec![facts(); attachments],
        access: &access,
        owned: &[],
    };
    match (codec.prepare(&cx), codec.prepare(&cx)) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "the same is asked in two ways"),
        (Err(one), Err(other)) => {
            assert_eq!(one, other);
            faults::check(&one);
        }
        other => panic!("{other:?}"),
    }
    let verdict = codec.interpret(&cx, &answer);
    check(codec.as_ref(), &cx, &answer, &verdict);
    aside(&answer);
}

fn content(cut: &mut Cut<'_>, attachments: usize, flags: u8) -> Content {
    let text = cut.text();
    let kind = if flags & 4 == 0 { MediaKind::Image } else { MediaKind::Video };
    let item = MediaItem {
        kind,
        alt_text: Some(text.clone()),
        source: MediaSource::Inline(Digest([1; 32])),
    };
    let first_comment = (flags & 2 != 0).then(|| FirstComment { text: text.clone() });
    Content { text, media: vec![item; attachments], first_comment, options: cut.some_text() }
}

fn facts() -> MediaFacts {
    let mime = "image/png".to_owned();
    MediaFacts { digest: Digest([1; 32]), bytes: 9, mime, dimensions: Some((3, 4)) }
}

fn answer(kind: u8, status: u16, header: &str, body: &[u8]) -> Answer {
    let why = || String::from_utf8_lossy(body).into_owned();
    match kind {
        0 => Answer::NotSent { why: why() },
        1 => Answer::MaybeSent { why: why() },
        2 => Answer::Snapshot(MediaFacts { mime: why(), ..facts() }),
        _ => {
            let names = ["retry-after", "ratelimit-reset", "x-ratelimit-reset", "date"];
            let mut headers: Vec<_> = names.map(|name| (name.to_owned(), header.to_owned())).into();
            // One of them alone, or all of them.
            if let Some(one) = usize::from(kind - 3).checked_sub(1) {
                headers = vec![headers.swap_remove(one)];
            }
            Answer::Heard { status, headers, body: body.to_vec(), at: AT }
        }
    }
}

fn fault(verdict: &Verdict) -> Option<&Fault> {
    match verdict {
        Verdict::Done(_) | Verdict::Again { .. } | Verdict::Absent => None,
        Verdict::Retry { fault, .. }
        | Verdict::Parked { fault, .. }
        | Verdict::Refuse { fault }
        | Verdict::Reauth { fault }
        | Verdict::Unknown { fault }
        | Verdict::Restage { fault } => Some(fault),
    }
}

fn check(codec: &dyn Platform, cx: &Context<'_>, answer: &Answer, verdict: &Verdict) {
    if let Some(fault) = fault(verdict) {
        faults::check(fault);
    }
    match verdict {
        Verdict::Parked { after, .. } | Verdict::Retry { after: Some(after), .. } => {
            assert!(*after <= REST_MAX, "{verdict:?}");
        }
        Verdict::Absent => assert_eq!(cx.errand, Errand::Probe, "{answer:?}"),
        _ => {}
    }
    let rehearsed = codec.steps().len() == 2;
    let visible = matches!(cx.step, "publish" | "first_comment") && !rehearsed;
    // After a refused write Bluesky's codec looks at what stands there: that is a read.
    let looks = cx.memos.get(cx.step).is_some_and(|memos| memos[0].contains("checking"));
    if visible && cx.errand == Errand::Send && !looks {
        check_visible(answer, verdict);
    }
}

/// A call that everybody may have seen the effect of.
fn check_visible(answer: &Answer, verdict: &Verdict) {
    let landed = "it may have landed";
    match answer {
        Answer::NotSent { .. } => assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}"),
        Answer::MaybeSent { .. } => {
            assert!(matches!(verdict, Verdict::Unknown { .. }), "{landed}: {verdict:?}");
        }
        Answer::Heard { status: 200..300 | 500.., .. } => {
            let honest = matches!(verdict, Verdict::Done(_) | Verdict::Unknown { .. });
            assert!(honest, "{landed}: {answer:?}: {verdict:?}");
            let outcome = fault(verdict).map(|fault| fault.outcome);
            assert_eq!(outcome.unwrap_or(Some(SendOutcome::Unknown)), Some(SendOutcome::Unknown));
        }
        _ => {}
    }
    if let Verdict::Done(output) = verdict {
        let uri = output.receipt.as_ref().and_then(|receipt| receipt.uri.as_ref());
        assert!(uri.is_some(), "published, and nobody knows where: {answer:?}");
    }
}

/// The same answer, given to what is asked beside publishing.
fn aside(answer: &Answer) {
    if let Err(fault) = read_session(answer) {
        faults::check(&fault.into_fault());
    }
    if let Err(fault) = read_boards(answer) {
        faults::check(&fault);
    }
    match read_board(answer) {
        Ok(board) => assert!(!board.id.is_empty() && !board.name.is_empty()),
        Err(BoardRefusal::NameTaken(fault)) => faults::check(&fault),
        Err(BoardRefusal::Other(fault)) => {
            faults::check(&fault);
            let may_be = matches!(answer, Answer::MaybeSent { .. })
                || matches!(answer, Answer::Heard { status: 200..300 | 500.., .. });
            let unknown = fault.outcome == Some(SendOutcome::Unknown);
            assert!(unknown || !may_be, "a board may have been made: {answer:?}: {fault:?}");
        }
    }
}
