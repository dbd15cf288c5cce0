//! Reading posts, batches and accounts. What is told is durable: a read waits for the flush of
//! whatever it may have seen.

use std::sync::Arc;

use super::caller::Caller;
use super::create::Admission;
use super::faults;
use crate::model::{
    Account, Batch, BatchId, Fault, JournalEntry, PostId, ProfileId, TargetIx, UlidFactory,
};
use crate::store::{Key, Order, PostPlace, Record, load_batch};
use crate::wire::{self, ListQuery, Reply};

/// Posts of one page of a scan.
const PAGE: usize = 256;
/// Posts looked at for one list: a filter that matches little still ends, with a cursor.
const LOOKED_AT_MAX: usize = 20_000;

impl Admission {
    /// One post with its attempts.
    ///
    /// # Errors
    /// `not_found`, or when it cannot be read.
    pub async fn get_post(&self, caller: &Caller, id: &str) -> Result<Reply, Fault> {
        let (caller, id) = (caller.clone(), id.to_owned());
        let body = self.off(move |this| this.post_with_attempts(&caller, &id)).await?;
        self.durable().await?;
        Ok(Reply { status: 200, body })
    }

    fn post_with_attempts(&self, caller: &Caller, id: &str) -> Result<Vec<u8>, Fault> {
        let (post, batch, ix) = self.post(caller, id)?;
        let (from, to) = (Key::Entry(batch.id, 0), Key::Entry(batch.id, u32::MAX));
        let found = self.options.store.scan(&from, &to, Order::Ascending, usize::MAX);
        let found = found.map_err(|problem| faults::unreadable(&problem))?;
        let entries: Vec<JournalEntry> = found
            .into_iter()
            .filter_map(|(_, record)| match record {
                Record::Entry(entry) => Some(*entry),
                _ => None,
            })
            .collect();
        let attempts = wire::attempts(&entries, ix, post);
        let account = self.account_of(&batch, ix)?;
        let links = &self.options.links;
        Ok(wire::post_body(&batch, ix, account.as_ref(), Some(&attempts), links))
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
    pub async fn list_posts(&self, caller: &Caller, query: &str) -> Result<Reply, Fault> {
        let mut query = wire::parse_list(query)?;
        match (caller.key.profile, query.profile) {
            (Some(own), Some(asked)) if asked != Some(own) => {
                return Err(faults::no_post("of that profile").rule("api_key.profile_scope"));
            }
            (Some(own), _) => query.profile = Some(Some(own)),
            (None, _) => {}
        }
        let body = self.off(move |this| this.page(&query)).await?;
        self.durable().await?;
        Ok(Reply { status: 200, body })
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
        let store = self.options.store.as_ref();
        let place = store.get(&Key::Post(post)).map_err(|e| faults::unreadable(&e))?;
        let Some(Record::Post(PostPlace { batch, ix })) = place else { return Ok(None) };
        let batch = load_batch(store, batch).map_err(|e| faults::unreadable(&e))?;
        Ok(batch.map(|batch| (Arc::new(batch), ix)))
    }

    /// The account of a target, unless it was removed.
    pub(super) fn account_of(&self, batch: &Batch, ix: TargetIx) -> Result<Option<Account>, Fault> {
        let Some(target) = batch.target(ix) else { return Ok(None) };
        let found = self.options.store.get(&Key::Account(target.account));
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
        let mut posts = Vec::new();
        let mut last: Option<Arc<Batch>> = None;
        let mut looked_at = 0;
        while let Some(top) = to {
            let upper = Key::Post(PostId::from_raw(top));
            let page = store.scan(&from, &upper, Order::Descending, PAGE).map_err(unreadable)?;
            let whole = page.len() == PAGE;
            for (key, record) in page {
                let (Key::Post(post), Record::Post(place)) = (key, record) else { continue };
                to = post.raw().checked_sub(1);
                looked_at += 1;
                let batch = match last.take().filter(|batch| batch.id == place.batch) {
                    Some(batch) => batch,
                    None => match load_batch(store, place.batch).map_err(unreadable)? {
                        Some(batch) => Arc::new(batch),
                        None => continue,
                    },
                };
                if let Some(target) = batch.target(place.ix)
                    && query.matches(&batch, target)
                {
                    let account = self.account_of(&batch, place.ix)?;
                    let links = &self.options.links;
                    posts.extend(wire::post_value(&batch, place.ix, account.as_ref(), links));
                }
                last = Some(batch);
                if posts.len() == query.limit || looked_at == LOOKED_AT_MAX {
                    let next = to.filter(|top| *top >= first).map(|_| post);
                    let next = next.filter(|_| self.has_more(&from, to).unwrap_or(true));
                    return Ok(wire::list_body(posts, next));
                }
            }
            if !whole {
                break;
            }
        }
        Ok(wire::list_body(posts, None))
    }

    fn has_more(&self, from: &Key, top: Option<u128>) -> Result<bool, Fault> {
        let Some(top) = top else { return Ok(false) };
        let upper = Key::Post(PostId::from_raw(top));
        let found = self.options.store.scan(from, &upper, Order::Descending, 1);
        Ok(!found.map_err(|problem| faults::unreadable(&problem))?.is_empty())
    }
}
