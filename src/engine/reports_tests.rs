//! Reports of one turn, taken together.

use std::sync::Arc;

use super::core::{Core, Moment, Options, Release};
use super::handle::Input;
use super::interface::{NewTarget, Report, Submission};
use crate::model::{
    AccountId, Batch, BatchId, Content, ContentIx, Cursor, Event, Exchange, KeyId, Millis, Outcome,
    Output, Platform, PostId, ProfileId, Receipt, RequestId, TargetIx, Timestamp, Verdict,
};
use crate::store::{Key, Memory, Order, Record, Store, load_batch};
use crate::wire::Links;
use crate::workflow;

struct House {
    store: Memory,
    core: Core,
    turns: u64,
    batch: BatchId,
    /// A report for each target, as it would come in.
    reports: Vec<Input>,
}

impl House {
    /// With so many targets under way.
    fn with(targets: u8, answer_bytes: usize) -> Self {
        let store = Memory::new();
        let epoch = store.begin_epoch().expect("memory");
        let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
        let definition = catalog.current("sandbox").expect("built in").digest;
        let options = Options {
            sync_wait: Millis::from_secs(60),
            max_lateness: Millis::from_secs(60),
            claim_window: Millis::from_secs(60),
            slots_max: 256,
            platform_slots_max: 128,
            links: Links { base: "http://h".to_owned() },
        };
        let core =
            Core::open(Arc::new(store.clone()), catalog, options, epoch, moment(0)).expect("opens");
        let target = |place: u8| NewTarget {
            account: AccountId::from_raw(u128::from(place) + 1),
            profile: ProfileId::from_raw(1),
            platform: Platform::Sandbox,
            definition,
            content: ContentIx(0),
            warnings: Vec::new(),
        };
        let submission = Submission {
            request_id: RequestId::from_caller("r").expect("well formed"),
            key: KeyId::from_raw(1),
            test: false,
            claim: None,
            scheduled_at: None,
            contents: vec![Content { text: "x".to_owned(), ..Content::default() }],
            targets: (0..targets).map(target).collect(),
        };
        let (ticket, _) = tokio::sync::oneshot::channel();
        let (batch, reports) = (BatchId::from_raw(0), Vec::new());
        let mut house = Self { store, core, turns: 0, batch, reports };
        house.turn(vec![Input::Submit(Box::new(submission), ticket)], answer_bytes);
        house
    }

    /// Runs one turn, and keeps the reports of what it lets out. Returns its commits.
    fn turn(&mut self, inputs: Vec<Input>, answer_bytes: usize) -> usize {
        self.turns += 1;
        self.core.decide(moment(self.turns), inputs).expect("memory");
        let commits = self.store.unflushed();
        for release in self.core.settle().expect("memory") {
            if let Release::Call(call) = release {
                self.batch = call.batch.id;
                self.reports.push(report(&call.batch, call.ix, answer_bytes));
            }
        }
        commits
    }

    fn now(&self) -> Batch {
        load_batch(&self.store, self.batch).expect("sound").expect("there")
    }

    fn notices(&self) -> Vec<String> {
        let (first, last) = (Key::Notice(crate::model::NoticeId::from_raw(0)), Key::LAST_NOTICE);
        let all = self.store.scan(&first, &last, Order::Ascending, 100).expect("sound");
        let data = all.into_iter().filter_map(|(_, record)| match record {
            Record::Notice(notice) => Some(notice.data),
            _ => None,
        });
        data.collect()
    }

    fn answers(&self) -> usize {
        let (from, to) = (Key::Entry(self.batch, 0), Key::Entry(self.batch, u32::MAX));
        let all = self.store.scan(&from, &to, Order::Ascending, 1_000).expect("sound");
        let answered = |record: &Record| {
            matches!(record, Record::Entry(entry)
            if matches!(entry.event, Event::Answered { .. }))
        };
        all.iter().filter(|(_, record)| answered(record)).count()
    }
}

fn moment(turn: u64) -> Moment {
    let at = Timestamp::from_millis(1_800_000_000_000).plus(Millis(turn));
    Moment { at, uptime: Millis(turn), entropy: u128::from(turn) }
}

fn report(batch: &Batch, ix: TargetIx, answer_bytes: usize) -> Input {
    let target = batch.target(ix).expect("there");
    let Cursor::Running(attempt) = target.cursor else { panic!("it runs") };
    let receipt = Receipt { uri: Some(format!("at://{}", ix.0)), ..Receipt::default() };
    let exchange = Exchange {
        request: "POST http://h".to_owned(),
        status: Some(201),
        answer: "a".repeat(answer_bytes),
        duration: Millis(1),
    };
    let verdict = Verdict::Done(Output { receipt: Some(receipt), ..Output::default() });
    let report = Report { verdict, exchange: Some(exchange) };
    let (number, epoch) = (attempt.number, attempt.epoch);
    Input::Reported { batch: batch.id, ix, number, epoch, report }
}

/// What is told of a post, without what differs from one house to another.
fn told(house: &House) -> Vec<(bool, Option<String>)> {
    let uri = |it: &crate::model::Target| it.receipt.as_ref().and_then(|it| it.uri.clone());
    let published =
        |it: &crate::model::Target| matches!(it.cursor, Cursor::Ended(Outcome::Published));
    house.now().targets.iter().map(|it| (published(it), uri(it))).collect()
}

#[test]
fn reports_of_one_batch_share_commits_and_come_to_the_same() {
    let mut together = House::with(25, 60);
    let reports = std::mem::take(&mut together.reports);
    assert_eq!(reports.len(), 25);
    assert_eq!(together.turn(reports, 0), 4, "eight at once");
    let mut alone = House::with(25, 60);
    for report in std::mem::take(&mut alone.reports) {
        assert_eq!(alone.turn(vec![report], 0), 1);
    }
    assert_eq!(told(&together), told(&alone));
    assert_eq!(together.now().entries, alone.now().entries);
    assert_eq!((together.answers(), together.notices().len()), (25, 25));
    let posts: Vec<PostId> = together.now().targets.iter().map(|it| it.post).collect();
    for (post, notice) in posts.iter().zip(together.notices()) {
        assert!(notice.contains(&post.to_string()), "{notice}");
    }
}

#[test]
fn what_is_long_is_kept_with_less_beside_it() {
    let mut house = House::with(8, 4_000);
    let reports = std::mem::take(&mut house.reports);
    assert_eq!(house.turn(reports, 0), 2, "four of 4,000 bytes are 16 KiB");
}

#[test]
fn one_that_is_late_takes_none_along() {
    let mut house = House::with(5, 60);
    let mut reports = std::mem::take(&mut house.reports);
    let again = report(&house.now(), TargetIx(1), 60);
    reports.insert(2, again);
    house.turn(reports, 0);
    assert!(told(&house).iter().all(|(published, _)| *published));
    assert_eq!((house.answers(), house.notices().len()), (5, 5));
}
