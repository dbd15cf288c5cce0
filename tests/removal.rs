//! The removal of an account, whatever is queued for it, and whenever the process dies.

use std::sync::Arc;

use fanfare::engine::{Core, Input, Moment, NewTarget, Options, Submission};
use fanfare::model::{
    Account, AccountId, Content, ContentIx, Digest, KeyId, Millis, NoticeId, NoticeKind, Platform,
    ProfileId, RequestId, Timestamp,
};
use fanfare::store::{Key, Memory, Order, Record, Store, Write, verify};
use fanfare::wire::Links;
use fanfare::workflow::{self, Catalog};
use tokio::sync::oneshot;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const OURS: AccountId = AccountId::from_raw(1);
const OTHER: AccountId = AccountId::from_raw(2);

fn moment(n: u128) -> Moment {
    Moment { at: NOW, uptime: Millis(1), entropy: n }
}

fn open(store: &Memory, catalog: &Arc<Catalog>) -> Core {
    let options = Options {
        sync_wait: Millis::from_secs(60),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        slots_max: 4,
        platform_slots_max: 4,
        links: Links { base: "http://test".to_owned() },
    };
    let epoch = store.begin_epoch().expect("an epoch");
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    Core::open(shared, Arc::clone(catalog), options, epoch, moment(1)).expect("it opens")
}

fn account(id: AccountId) -> Write {
    let account = Account {
        id,
        profile: ProfileId::from_raw(1),
        platform: Platform::Sandbox,
        platform_account_id: id.to_string(),
        display_name: None,
        settings: "{}".to_owned(),
        token_expires_at: None,
        created_at: NOW,
        updated_at: NOW,
    };
    Write::Put(Key::Account(id), Record::Account(account))
}

fn submission(definition: Digest, accounts: &[AccountId]) -> Submission {
    Submission {
        request_id: RequestId::from_caller("r").expect("well formed"),
        key: KeyId::from_raw(1),
        test: false,
        claim: None,
        scheduled_at: Some(NOW.plus(Millis::from_secs(3_600))),
        contents: vec![Content { text: "x".to_owned(), ..Content::default() }],
        targets: accounts
            .iter()
            .map(|account| NewTarget {
                account: *account,
                profile: ProfileId::from_raw(1),
                platform: Platform::Sandbox,
                definition,
                content: ContentIx(0),
                warnings: Vec::new(),
            })
            .collect(),
    }
}

/// A store with that many batches waiting, each for both accounts.
fn house(batches: usize) -> (Memory, Arc<Catalog>, Core) {
    let store = Memory::new();
    let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
    let definition = catalog.current("sandbox").expect("built in").digest;
    let mut core = open(&store, &catalog);
    store.commit(core.epoch(), &[account(OURS), account(OTHER)]).expect("room");
    let submit = |_| {
        let both = submission(definition, &[OURS, OTHER]);
        Input::Submit(Box::new(both), oneshot::channel().0)
    };
    core.turn(moment(2), (0..batches).map(submit)).expect("they are taken");
    (store, catalog, core)
}

fn told(store: &Memory, kind: NoticeKind) -> usize {
    let first = Key::Notice(NoticeId::from_raw(0));
    let all = store.scan(&first, &Key::LAST_NOTICE, Order::Ascending, usize::MAX).expect("read");
    let of = |record: &Record| matches!(record, Record::Notice(notice) if notice.kind == kind);
    all.iter().filter(|(_, record)| of(record)).count()
}

fn is_gone(store: &Memory) -> bool {
    store.get(&Key::Account(OURS)).expect("read").is_none()
}

fn remove(core: &mut Core) -> bool {
    let (ticket, mut answer) = oneshot::channel();
    let releases = core.turn(moment(3), [Input::RemoveAccount(OURS, ticket)]).expect("it turns");
    for release in releases {
        if let fanfare::engine::Release::Tell(tell) = release {
            tell();
        }
    }
    answer.try_recv().expect("an answer").expect("it is taken")
}

#[test]
fn what_is_queued_goes_with_the_account_and_nothing_else_does() {
    for batches in [0, 1, 25, 26, 80] {
        let (store, _, mut core) = house(batches);
        assert!(remove(&mut core));
        assert!(is_gone(&store));
        assert_eq!(told(&store, NoticeKind::PostCanceled), batches, "each is told");
        assert!(!remove(&mut core), "there is no such account any more");
        let report = verify(&store).expect("it reads");
        assert_eq!((report.findings.len(), report.unsettled), (0, batches as u64));
    }
}

/// The removal with a disk that fails after `commits` commits, then a new process life on what was
/// written; `None` when the removal got through.
fn interrupted(batches: usize, commits: u64) -> Option<Memory> {
    let (store, catalog, mut core) = house(batches);
    store.fail_at(commits);
    let (ticket, _) = oneshot::channel();
    let turned = core.turn(moment(3), [Input::RemoveAccount(OURS, ticket)]);
    turned.err()?;
    let store = store.crash(usize::MAX);
    open(&store, &catalog);
    assert_eq!(verify(&store).expect("it reads").findings, []);
    Some(store)
}

#[test]
fn no_crash_leaves_a_removal_half_done() {
    // Up to a batch's worth of targets it is one commit: all of it or nothing.
    let nothing = interrupted(25, 0).expect("the first commit fails");
    assert_eq!((is_gone(&nothing), told(&nothing, NoticeKind::PostCanceled)), (false, 0));
    let all = interrupted(25, 1).expect("the flush fails");
    assert_eq!((is_gone(&all), told(&all, NoticeKind::PostCanceled)), (true, 25));
    assert!(interrupted(25, 2).is_none(), "one commit and one flush");

    // More than that: once it has begun, the next life ends it.
    let nothing = interrupted(60, 0).expect("the first commit fails");
    assert_eq!((is_gone(&nothing), told(&nothing, NoticeKind::PostCanceled)), (false, 0));
    let mut commits = 1;
    while let Some(store) = interrupted(60, commits) {
        assert!(is_gone(&store), "after {commits} commits");
        assert_eq!(told(&store, NoticeKind::PostCanceled), 60, "after {commits} commits");
        commits += 1;
    }
    assert_eq!(commits, 5, "a mark, three commits and a flush");
}
