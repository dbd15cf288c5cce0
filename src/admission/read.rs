//! Reading posts, batches and accounts. What is told is durable: a read waits for the flush of
//! whatever it may have seen.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::caller::Caller;
use super::create::Admission;
use super::faults;
use crate::model::{
    Account, AccountId, Batch, BatchId, Fault, PostId, ProfileId, TargetIx, UlidFactory,
};
use crate::store::{Key, Order, PostPlace, Record, StoreError, load_batch};
use crate::wire::{self, AccountWords, ListQuery, PostPage, Reply};

/// Rows of a batch that are read where they are asked for: that takes less than to hand the work
/// to another thread. A batch of many targets or attempts has more.
const READ_HERE_ROWS_MAX: usize = 48;
/// Posts of one page of a scan for what matches a filter.
const PAGE: usize = 256;
/// Batches read at once for a list: nobody commits meanwhile.
const AHEAD_MAX: usize = 64;
/// Posts looked at for one list: a filter that matches little still ends, with a cursor.
const LOOKED_AT_MAX: usize = 20_000;

impl Admission {
    /// One post with its attempts.
    ///
    /// # Errors
    /// `not_found`, or when it cannot be read.
    pub async fn get_post(&self, caller: &Caller, id: &str) -> Result<Reply, Fault> {
        let body = match self.post_with_attempts(caller, id, READ_HERE_ROWS_MAX)? {
            Some(body) => body,
            None => {
                let (caller, id) = (caller.clone(), id.to_owned());
                let all = move |this: &Self| this.post_with_attempts(&caller, &id, usize::MAX);
                Box::pin(self.off(all)).await?.unwrap_or_default()
            }
        };
        self.durable().await?;
        Ok(Reply { status: 200, body })
    }

    /// One post with its attempts; `None` when its batch has more than `rows_max` rows.
    fn post_with_attempts(
        &self,
        caller: &Caller,
        id: &str,
        rows_max: usize,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let absent = || faults::no_post(id);
        let post: PostId = id.parse().map_err(|_| absent())?;
        let PostPlace { batch, ix } = self.place(post)?.ok_or_else(absent)?;
        let told = self.options.store.told_batch(batch, rows_max);
        let Some((batch, entries)) = told.map_err(|problem| faults::unreadable(&problem))? else {
            return Ok(None);
        };
        let batch = batch.ok_or_else(absent)?;
        caller.may_see(&batch, ix, id)?;
        let attempts = wire::attempts(&entries, ix, post);
        let account = self.account_of(&batch, ix)?;
        let links = &self.options.links;
        Ok(Some(wire::post_body(&batch, ix, account.as_ref(), Some(&attempts), links)))
    }

    /// Whether the post is there and this caller may know of it.
    ///
    /// # Errors
    /// `not_found`, or when it cannot be read.
    pub async fn may_know(&self, caller: &Caller, id: &str) -> Result<(), Fault> {
        let (caller, id) = (caller.clone(), id.to_owned());
        self.off(move |this| this.post(&caller, &id).map(drop)).await
    }

    /// A batch as it now stands.
    ///
    /// # Errors
    /// `not_found`, or when it cannot be read.
    pub async fn get_batch(&self, caller: &Caller, id: &str) -> Result<Reply, Fault> {
        let batch: BatchId = id.parse().map_err(|_| faults::no_post(id))?;
        let read = move |this: &Self| {
            load_batch(this.options.store.as_ref(), batch).map_err(|e| faults::unreadable(&e))
        };
        let batch = self.off(read).await?.ok_or_else(|| faults::no_post(id))?;
        if let Some(own) = caller.key.profile
            && batch.targets.iter().any(|target| target.profile != own)
        {
            return Err(faults::no_post(id).rule("api_key.profile_scope"));
        }
        self.durable().await?;
        Ok(Reply { status: 200, body: wire::batch_body(&batch, &self.options.links) })
    }

    /// One page of posts, newest first.
    ///
    /// # Errors
    /// A query that is not sound, or when a record cannot be read.
    pub async fn list_posts(&self, caller: &Caller, query: &str) -> Result<Bytes, Fault> {
        let store = &self.options.store;
        let asked = (caller.key.profile, query.to_owned());
        let version = store.version();
        let known = version.and_then(|version| self.pages.get(version, &asked));
        let page = match known {
            Some(page) => page,
            None => {
                let page = Box::pin(self.make_page(caller, query)).await?;
                // Nothing was committed while it was read.
                if let Some(version) = version.filter(|_| store.version() == version) {
                    self.pages.keep(version, asked, &page);
                }
                page
            }
        };
        self.durable().await?;
        Ok(page)
    }

    async fn make_page(&self, caller: &Caller, query: &str) -> Result<Bytes, Fault> {
        let mut query = wire::parse_list(query)?;
        match (caller.key.profile, query.profile) {
            (Some(own), Some(asked)) if asked != Some(own) => {
                return Err(faults::no_post("of that profile").rule("api_key.profile_scope"));
            }
            (Some(own), _) => query.profile = Some(Some(own)),
            (None, _) => {}
        }
        self.off(move |this| this.page(&query).map(Bytes::from)).await
    }

    /// The accounts this caller may know of.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub async fn list_accounts(&self, caller: &Caller, query: &str) -> Result<Reply, Fault> {
        let asked = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, value)| name == "profileId" && !value.is_empty())
            .map(|(_, value)| value.parse::<ProfileId>().ok());
        let accounts: Vec<Account> = self
            .off(|this| this.accounts())
            .await?
            .into_iter()
            .filter(|account| match (caller.key.profile, asked) {
                (Some(own), _) => account.profile == own,
                (None, Some(asked)) => Some(account.profile) == asked,
                (None, None) => true,
            })
            .collect();
        self.durable().await?;
        Ok(Reply { status: 200, body: wire::accounts_body(&accounts) })
    }

    /// The batch and place of a post.
    pub(super) fn find(&self, post: PostId) -> Result<Option<(Arc<Batch>, TargetIx)>, Fault> {
        let Some(PostPlace { batch, ix }) = self.place(post)? else { return Ok(None) };
        let batch = load_batch(self.options.store.as_ref(), batch);
        let batch = batch.map_err(|problem| faults::unreadable(&problem))?;
        Ok(batch.map(|batch| (Arc::new(batch), ix)))
    }

    /// Where a post is.
    fn place(&self, post: PostId) -> Result<Option<PostPlace>, Fault> {
        let found = self.options.store.get(&Key::Post(post));
        match found.map_err(|problem| faults::unreadable(&problem))? {
            Some(Record::Post(place)) => Ok(Some(place)),
            _ => Ok(None),
        }
    }

    /// The account of a target, unless it was removed.
    pub(super) fn account_of(&self, batch: &Batch, ix: TargetIx) -> Result<Option<Account>, Fault> {
        match batch.target(ix) {
            Some(target) => self.stored_account(target.account),
            None => Ok(None),
        }
    }

    fn stored_account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        let found = self.options.store.get(&Key::Account(id));
        match found.map_err(|problem| faults::unreadable(&problem))? {
            Some(Record::Account(account)) => Ok(Some(account)),
            _ => Ok(None),
        }
    }

    /// Waits until what a read may have seen is durable.
    ///
    /// # Errors
    /// When the engine stops first.
    pub async fn durable(&self) -> Result<(), Fault> {
        self.options.engine.settled_reads().await.map_err(|problem| faults::engine(&problem))
    }

    fn page(&self, query: &ListQuery) -> Result<Vec<u8>, Fault> {
        let unreadable = |problem| faults::unreadable(&problem);
        let store = self.options.store.as_ref();
        // Ids begin with their time: the newest that can match, and the oldest.
        let first = query.after.map_or(0, UlidFactory::floor);
        let below = query.before.map_or(u128::MAX, UlidFactory::floor);
        let below = query.cursor.map_or(below, |cursor| cursor.raw().min(below));
        let from = Key::Post(PostId::from_raw(first));
        let mut to = below.checked_sub(1);
        let mut shown = Shown::new(query.limit);
        let mut looked_at = 0;
        // Nearly always all that is looked at is listed; one more says whether there are more.
        let mut ask = query.limit + 1;
        while let Some(top) = to {
            let upper = Key::Post(PostId::from_raw(top));
            let page = store.scan(&from, &upper, Order::Descending, ask).map_err(unreadable)?;
            let whole = page.len() == ask;
            ask = PAGE;
            for (n, (key, record)) in page.iter().enumerate() {
                let (Key::Post(post), Record::Post(place)) = (key, record) else { continue };
                to = post.raw().checked_sub(1);
                looked_at += 1;
                self.show(query, &mut shown, place, &page[n..])?;
                if shown.page.posts() == query.limit || looked_at == LOOKED_AT_MAX {
                    let next = to.filter(|top| *top >= first).map(|_| *post);
                    let more =
                        || n + 1 < page.len() || whole && self.has_more(&from, to).unwrap_or(true);
                    return Ok(shown.page.finish(next.filter(|_| more())));
                }
            }
            if !whole {
                break;
            }
        }
        Ok(shown.page.finish(None))
    }

    /// Adds a post to a page, if it matches. With it begins what is still to be looked at.
    fn show(
        &self,
        query: &ListQuery,
        shown: &mut Shown,
        place: &PostPlace,
        ahead: &[(Key, Record)],
    ) -> Result<(), Fault> {
        if shown.id != Some(place.batch) {
            if shown.ahead.is_empty() {
                let posts = query.limit - shown.page.posts();
                let ids = batches(&ahead[..posts.min(ahead.len())]);
                let batches = self.options.store.shown_batches(&ids);
                shown.ahead = batches.into();
            }
            shown.id = Some(place.batch);
            let batch = shown.ahead.pop_front().transpose();
            shown.batch = batch.map_err(|problem| faults::unreadable(&problem))?.flatten();
        }
        let Some(batch) = &shown.batch else { return Ok(()) };
        let Some(target) = batch.target(place.ix).filter(|it| query.matches(batch, it)) else {
            return Ok(());
        };
        let account = match shown.accounts.entry(target.account) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let account = self.stored_account(target.account)?;
                unknown.insert(AccountWords::of(account.as_ref()))
            }
        };
        shown.page.push(batch, place.ix, account, &self.options.links);
        Ok(())
    }

    fn has_more(&self, from: &Key, top: Option<u128>) -> Result<bool, Fault> {
        let Some(top) = top else { return Ok(false) };
        let upper = Key::Post(PostId::from_raw(top));
        let found = self.options.store.scan(from, &upper, Order::Descending, 1);
        Ok(!found.map_err(|problem| faults::unreadable(&problem))?.is_empty())
    }
}

/// The batches of these posts, in their order: those that are read at once. The targets of a batch
/// come one after the other.
fn batches(posts: &[(Key, Record)]) -> Vec<BatchId> {
    let batch = |(_, record): &(Key, Record)| match record {
        Record::Post(place) => Some(place.batch),
        _ => None,
    };
    let mut ids: Vec<BatchId> = posts.iter().filter_map(batch).collect();
    ids.dedup();
    ids.truncate(AHEAD_MAX);
    ids
}

/// A page as it grows, and what was read for it: most posts are on few accounts.
struct Shown {
    page: PostPage,
    /// The batch of the post that was looked at last, and what is known of it.
    id: Option<BatchId>,
    batch: Option<Batch>,
    /// The batches that come next.
    ahead: VecDeque<Result<Option<Batch>, StoreError>>,
    accounts: BTreeMap<AccountId, AccountWords>,
}

impl Shown {
    fn new(posts: usize) -> Self {
        Self {
            page: PostPage::new(posts),
            id: None,
            batch: None,
            ahead: VecDeque::new(),
            accounts: BTreeMap::new(),
        }
    }
}
