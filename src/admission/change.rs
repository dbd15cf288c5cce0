//! `PATCH` and `DELETE /v1/posts/:id`.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::caller::Caller;
use super::claims::Served;
use super::create::{Admission, Inline, media_item, too_soon};
use super::faults::{self, conflict};
use crate::engine::{Asking, Change, ChangeError, Changed, Submitted};
use crate::model::{Batch, CancelReason, Content, Digest, Fault, PostId, RequestId, TargetIx};
use crate::preflight;
use crate::wire::{self, PatchRequest};

/// How often an edit that another edit overtook is made again on what that one left.
const EDITS_MAX: usize = 5;

impl Admission {
    /// Changes a queued post. `keep` stores inline bytes durably; it is called only when everything
    /// else holds.
    pub async fn patch<K, F>(
        &self,
        caller: &Caller,
        request: &RequestId,
        key: Option<&str>,
        post: &str,
        body: Bytes,
        keep: K,
    ) -> Served
    where
        K: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Digest, Fault>>,
    {
        let route = format!("/v1/posts/{post}");
        let work = async |claim| {
            let asking = Asking { request: Some(request.clone()), claim, warnings: Vec::new() };
            self.patched(caller, post, body.clone(), asking, keep).await
        };
        self.once(request, caller.sent(key), ("PATCH", &route), &body, work).await
    }

    async fn patched<K, F>(
        &self,
        caller: &Caller,
        post: &str,
        body: Bytes,
        asking: Asking,
        keep: K,
    ) -> Result<Submitted, Fault>
    where
        K: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Digest, Fault>>,
    {
        let patch = self.off(move |_| wire::parse_patch(&body)).await?;
        let asking = Asking { warnings: patch.warnings.clone(), ..asking };
        let patch = Arc::new(patch);
        let mut kept = Vec::new();
        for _ in 0..EDITS_MAX {
            let (caller, wanted, edit) = (caller.clone(), post.to_owned(), Arc::clone(&patch));
            let planned = self.off(move |this| this.plan(&caller, &wanted, &edit)).await?;
            let (id, change, inline) = planned;
            inline.keep(&keep, &mut kept).await?;
            match self.options.engine.change(id, change, asking.clone()).await {
                Ok(changed) => return Ok(submitted(changed)),
                Err(ChangeError::Raced) => {}
                Err(problem) => return Err(refused(&problem, post)),
            }
        }
        Err(conflict(
            "post.status",
            "other edits kept coming first".to_owned(),
            "Read the post again, then repeat the edit if it is still wanted.",
        ))
    }

    /// What the engine is to do, from what is stored now. State comes first, so that an edit of
    /// what is gone says so.
    fn plan(
        &self,
        caller: &Caller,
        post: &str,
        patch: &PatchRequest,
    ) -> Result<(PostId, Change, Inline), Fault> {
        let (id, batch, ix) = self.changeable(caller, post)?;
        let target = batch.target(ix).ok_or_else(|| faults::no_post(post))?;
        let status = wire::post_status(target);
        if status != "queued" {
            return Err(wrong_status(status));
        }
        if target.due.is_none_or(|due| due <= (self.options.now)()) {
            return Err(refused(&ChangeError::Window, post));
        }
        if let Some(at) = patch.scheduled_at {
            self.window(at)?;
        }
        let mut inline = Inline::default();
        let content = self.edited(patch, &batch, ix, &mut inline)?;
        let content = content.map(|content| (target.content, content));
        Ok((id, Change::Patch { due: patch.scheduled_at, content }, inline))
    }

    /// The content after the edit, checked whole; `None` when only the time changes.
    fn edited(
        &self,
        patch: &PatchRequest,
        batch: &Arc<Batch>,
        ix: TargetIx,
        inline: &mut Inline,
    ) -> Result<Option<Content>, Fault> {
        if patch.text.is_none() && patch.media.is_none() {
            return Ok(None);
        }
        let Some(target) = batch.target(ix) else { return Ok(None) };
        if self.account_of(batch, ix)?.is_none() {
            return Err(conflict(
                "post.edit.account_missing",
                "the post's account was removed".to_owned(),
                "Connect the account again, or cancel the post.",
            ));
        }
        let mut content = Content::clone(batch.content_of(target));
        if let Some(text) = &patch.text {
            content.text.clone_from(text);
        }
        if let Some(media) = &patch.media {
            content.media = media.iter().map(|one| media_item(one, inline)).collect();
        }
        self.uploads(&content, target.profile)?;
        let broken = preflight::shape(target.platform, &content);
        match broken.first() {
            Some(first) => {
                let all = preflight::violations_json(usize::from(ix.0), &broken);
                Err(first.clone().response(all))
            }
            None => Ok(Some(content)),
        }
    }

    /// Cancels a queued post.
    pub async fn cancel(
        &self,
        caller: &Caller,
        request: &RequestId,
        key: Option<&str>,
        post: &str,
    ) -> Served {
        let route = format!("/v1/posts/{post}");
        let work = async |claim| {
            let asking = Asking { request: Some(request.clone()), claim, warnings: Vec::new() };
            let (caller, wanted) = (caller.clone(), post.to_owned());
            let found = self.off(move |this| this.changeable(&caller, &wanted)).await?;
            let change = Change::Cancel { reason: CancelReason::Requested };
            let changed = self.options.engine.change(found.0, change, asking).await;
            changed.map(submitted).map_err(|problem| refused(&problem, post))
        };
        self.once(request, caller.sent(key), ("DELETE", &route), &[], work).await
    }

    /// The post of an id, if this caller may change it: a test key changes no live post.
    pub(super) fn changeable(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(PostId, Arc<Batch>, TargetIx), Fault> {
        let found = self.post(caller, id)?;
        if caller.is_test() && !found.1.test {
            return Err(faults::no_post(id)
                .rule("api_key.environment_scope")
                .remedy("A test key may read live posts and change none: use a live key."));
        }
        Ok(found)
    }

    /// The post of an id, if this caller may know of it.
    pub(super) fn post(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(PostId, Arc<Batch>, TargetIx), Fault> {
        let post: PostId = id.parse().map_err(|_| faults::no_post(id))?;
        let (batch, ix) = self.find(post)?.ok_or_else(|| faults::no_post(id))?;
        caller.may_see(&batch, ix, id)?;
        Ok((post, batch, ix))
    }
}

/// What the engine answered to a change.
pub(super) fn submitted(changed: Changed) -> Submitted {
    Submitted { reply: changed.reply, replayed: changed.replayed }
}

fn wrong_status(status: &str) -> Fault {
    conflict(
        "post.status",
        format!("the post is {status}; only a queued one can be changed"),
        "Read the post again; publish a new one if it is needed.",
    )
}

pub(super) fn refused(problem: &ChangeError, post: &str) -> Fault {
    match problem {
        ChangeError::Unknown => faults::no_post(post),
        ChangeError::Status { status } => wrong_status(status),
        ChangeError::Window => conflict(
            "post.scheduledAt.window",
            "the post's time has come, so it can no longer be changed".to_owned(),
            "Read the post again in a moment to see what became of it.",
        ),
        ChangeError::TooSoon => too_soon("the new time"),
        ChangeError::Raced => wrong_status("being changed by another request"),
        // Only a retry can be, and it says so itself.
        ChangeError::Doubtful => wrong_status("possibly live"),
        ChangeError::Engine(problem) => faults::engine(problem),
    }
}
