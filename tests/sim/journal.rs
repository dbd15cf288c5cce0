//! What a store must tell of itself, whoever filled it: it holds together, every journal replays to
//! its head, and each end of a post is told once.

use fanfare::machine;
use fanfare::model::{
    Batch, BatchId, Cursor, Event, JournalEntry, Notice, NoticeId, NoticeKind, Outcome, Ruling,
    SendOutcome, Target, TargetIx, Timestamp,
};
use fanfare::store::{Key, Memory, Order, Record, Store, load_batch, verify};
use fanfare::workflow::Catalog;

/// Something that is not true and should be.
#[derive(Debug)]
pub struct Finding {
    pub checker: &'static str,
    pub what: String,
}

impl Finding {
    pub fn new(checker: &'static str, what: impl Into<String>) -> Self {
        Self { checker, what: what.into() }
    }

    /// With the story before it, where one seed is looked at.
    pub fn told(self, trace: &str) -> Self {
        match std::env::var_os("SIM_SEED").or(std::env::var_os("HOUSE_SEED")) {
            Some(_) => Self { what: format!("{trace}{}", self.what), ..self },
            None => self,
        }
    }
}

/// Every stored timer.
pub fn timers(store: &Memory) -> Vec<(Timestamp, BatchId)> {
    let from = Key::Timer(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
    let found = store.scan(&from, &Key::LAST_TIMER, Order::Ascending, usize::MAX);
    let keys = found.unwrap_or_default().into_iter().map(|(key, _)| key);
    keys.filter_map(|key| if let Key::Timer(at, id) = key { Some((at, id)) } else { None })
        .collect()
}

/// The store holds together and every journal replays to its head.
pub fn sound(memory: &Memory, catalog: &Catalog) -> Result<(), Finding> {
    let report =
        verify(memory).map_err(|problem| Finding::new("store_is_sound", problem.to_string()))?;
    if let Some(finding) = report.findings.first() {
        let timer = finding.problem.contains("timer");
        let checker = if timer { "no_orphan_timer" } else { "store_is_sound" };
        return Err(Finding::new(checker, format!("{}: {}", finding.key, finding.problem)));
    }
    for batch in batches(memory)? {
        replays(memory, catalog, &batch)?;
    }
    Ok(())
}

fn replays(memory: &Memory, catalog: &Catalog, head: &Batch) -> Result<(), Finding> {
    let broken = |what: String| Finding::new("replay_equals_head", what);
    let from = Key::Entry(head.id, 0);
    let to = Key::Entry(head.id, u32::MAX);
    let entries = memory
        .scan(&from, &to, Order::Ascending, usize::MAX)
        .map_err(|problem| broken(problem.to_string()))?;
    let entries: Vec<JournalEntry> = entries
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Entry(entry) => Some(*entry),
            _ => None,
        })
        .collect();
    let (replayed, effects) = machine::replay(&entries, &head.contents, catalog)
        .map_err(|problem| broken(format!("{}: {problem}", head.id)))?;
    let settled = effects.iter().filter(|effects| effects.settled).count();
    let revived = effects.iter().filter(|effects| effects.revived).count();
    if replayed != *head {
        return Err(broken(first_difference(&replayed, head)));
    }
    if settled != revived + usize::from(head.is_settled()) {
        let what = format!("{} settled {settled} times and revived {revived} times", head.id);
        return Err(Finding::new("settles_once", what));
    }
    for (ix, target) in head.places() {
        told_once(memory, head, ix, target, &entries)?;
    }
    Ok(())
}

/// The world is told of each end of a target once: of each round, and of a post that an operator
/// found live after all.
fn told_once(
    memory: &Memory,
    batch: &Batch,
    ix: TargetIx,
    target: &Target,
    entries: &[JournalEntry],
) -> Result<(), Finding> {
    let mut expected = usize::from(target.cursor.is_settled());
    for entry in entries {
        match &entry.event {
            Event::Retried { ix: at, .. } if *at == ix => expected += 1,
            Event::Ruled { ix: at, ruling: Ruling::Published { .. } } if *at == ix => {
                expected += 1;
            }
            _ => {}
        }
    }
    let told = notices(memory)?.into_iter().filter(|notice| {
        let end = matches!(
            notice.kind,
            NoticeKind::PostPublished
                | NoticeKind::PostRejected
                | NoticeKind::PostFailed
                | NoticeKind::PostCanceled
        );
        end && notice.data.contains(&target.post.to_string())
    });
    let told: Vec<&str> = told.map(|notice| notice.kind.as_str()).collect();
    if told.len() != expected {
        let what = format!("{} of {}: {expected} ends, told {told:?}", target.post, batch.id);
        return Err(Finding::new("each_end_is_told_once", what));
    }
    Ok(())
}

pub fn notices(memory: &Memory) -> Result<Vec<Notice>, Finding> {
    let first = Key::Notice(NoticeId::from_raw(0));
    let found = memory.scan(&first, &Key::LAST_NOTICE, Order::Ascending, usize::MAX);
    let found = found.map_err(|problem| Finding::new("store_is_sound", problem.to_string()))?;
    let notices = found.into_iter().filter_map(|(_, record)| match record {
        Record::Notice(notice) => Some(notice),
        _ => None,
    });
    Ok(notices.collect())
}

fn first_difference(replayed: &Batch, stored: &Batch) -> String {
    let (a, b) = (format!("{replayed:#?}"), format!("{stored:#?}"));
    let differs = a.lines().zip(b.lines()).enumerate().find(|(_, (x, y))| x != y);
    match differs {
        Some((n, (x, y))) => {
            let around: Vec<&str> = b.lines().skip(n.saturating_sub(6)).take(8).collect();
            format!("replayed {x}, stored {y}, in\n{}", around.join("\n"))
        }
        None => "one is longer".to_owned(),
    }
}

pub fn load(memory: &Memory, id: BatchId) -> Result<Option<Batch>, Finding> {
    load_batch(memory, id).map_err(|problem| Finding::new("store_is_sound", problem.to_string()))
}

pub fn batches(memory: &Memory) -> Result<Vec<Batch>, Finding> {
    let posts = memory
        .scan(&Key::FIRST_POST, &Key::LAST_POST, Order::Ascending, usize::MAX)
        .map_err(|problem| Finding::new("store_is_sound", problem.to_string()))?;
    let mut ids: Vec<BatchId> = posts
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Post(place) => Some(place.batch),
            _ => None,
        })
        .collect();
    ids.dedup();
    ids.into_iter().filter_map(|id| load(memory, id).transpose()).collect()
}

/// What the wire says of a target is what happened on its platform: `posts` and `comments` landed.
pub fn as_told(target: &Target, posts: usize, comments: usize) -> Result<(), Finding> {
    let story = format!("{} {:?}: {posts} posts, {comments} comments", target.post, target.cursor);
    if posts > 1 || comments > 1 {
        return Err(Finding::new("no_duplicate_landing", story));
    }
    let ruled = target.warnings.iter().any(|warning| warning.code == "ruled_published");
    let wrong = match &target.cursor {
        Cursor::Ended(Outcome::Published) => posts == 0 && !ruled,
        Cursor::Ended(Outcome::Canceled) => posts > 0,
        Cursor::Ended(Outcome::Rejected(_)) => posts > 0,
        Cursor::Ended(Outcome::Failed(fault)) => {
            let was_held = fault.rule.as_deref().is_some_and(|r| r.ends_with("outcome_unknown"));
            posts > 0 && !was_held && fault.outcome != Some(SendOutcome::Unknown)
        }
        _ => false,
    };
    if wrong {
        return Err(Finding::new("told_as_it_is", story));
    }
    Ok(())
}

/// No attempt began before its time.
pub fn never_early(target: &Target) -> Result<(), Finding> {
    let early = target.due.zip(target.started_at).is_some_and(|(due, began)| began < due);
    if early {
        let what = format!("{} {:?}", target.post, target.cursor);
        return Err(Finding::new("never_before_its_time", what));
    }
    Ok(())
}
