//! `PATCH` and `DELETE /v1/posts/:id`.

use std::sync::Arc;

use bytes::Bytes;

use super::caller::Caller;
use super::claims::Served;
use super::create::{Admission, Inline, media_item, too_soon};
use super::faults::{self, conflict};
use crate::engine::{Change, ChangeError, Changed};
use crate::model::{Batch, CancelReason, Code, Content, Fault, PostId, RequestId, TargetIx};
use crate::preflight;
use crate::wire::{self, PatchRequest, Reply, RequestSource};

/// How often an edit that another edit overtook is made again on what that one left.
const EDITS_MAX: usize = 5;

impl Admission {
    /// Changes a queued post.
    pub async fn patch(
        &self,
        caller: &Caller,
        request: &RequestId,
        key: Option<&str>,
        post: &str,
        body: Bytes,
    ) -> Served {
        let work = self.patched(caller, post, body.clone());
        self.once(request, key, ("PATCH", post), &body, work).await
    }

    /// Does a change of a post once for its key: an equal key waits for the first and gets its
    /// reply. The work has not begun before it is its turn.
    async fn once(
        &self,
        request: &RequestId,
        key: Option<&str>,
        (method, post): (&str, &str),
        body: &[u8],
        work: impl Future<Output = Result<Reply, Fault>>,
    ) -> Served {
        let route = format!("/v1/posts/{post}");
        let keyed = match Self::keyed(key, (method, &route), body) {
            Ok(keyed) => keyed,
            Err(fault) => return self.plain(fault, request),
        };
        let _pass = match &keyed {
            Some(keyed) => Some(self.flights.enter(keyed.claim.id).await),
            None => None,
        };
        match self.earlier(keyed.as_ref()).await {
            Ok(None) => {}
            Ok(Some(served)) => return served,
            Err(fault) => return self.plain(fault, request),
        }
        let outcome = match work.await {
            Ok(reply) => self.kept(reply, keyed.as_ref()).await,
            Err(fault) => Ok(self.failed(fault, keyed.as_ref(), request).await),
        };
        outcome.unwrap_or_else(|fault| self.plain(fault, request))
    }

    async fn patched(&self, caller: &Caller, post: &str, body: Bytes) -> Result<Reply, Fault> {
        let patch = self.off(move |_| wire::parse_patch(&body)).await?;
        let patch = Arc::new(patch);
        for _ in 0..EDITS_MAX {
            let (caller, wanted, edit) = (caller.clone(), post.to_owned(), Arc::clone(&patch));
            let planned = self.off(move |this| this.plan(&caller, &wanted, &edit)).await?;
            let (id, change) = planned;
            match self.options.engine.change(id, change).await {
                Ok(changed) => {
                    return self.off(move |this| this.changed(changed, &patch)).await;
                }
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
    ) -> Result<(PostId, Change), Fault> {
        let (id, batch, ix) = self.post(caller, post)?;
        let target = batch.target(ix).ok_or_else(|| faults::no_post(post))?;
        let status = wire::post_status(target, batch.scheduled_at.is_some());
        if status != "queued" {
            return Err(wrong_status(status));
        }
        if target.due.is_none_or(|due| due <= (self.options.now)()) {
            return Err(refused(&ChangeError::Window, post));
        }
        if let Some(at) = patch.scheduled_at {
            self.window(at)?;
        }
        let content = self.edited(patch, &batch, ix)?.map(|content| (target.content, content));
        Ok((id, Change::Patch { due: patch.scheduled_at, content }))
    }

    /// The post after a change, with the remarks on the request that made it.
    fn changed(&self, changed: Changed, patch: &PatchRequest) -> Result<Reply, Fault> {
        let account = self.account_of(&changed.batch, changed.ix)?;
        let mut batch = Batch::clone(&changed.batch);
        if let Some(target) = batch.targets.get_mut(usize::from(changed.ix.0)) {
            Arc::make_mut(target).warnings.extend_from_slice(&patch.warnings);
        }
        let links = &self.options.links;
        let body = wire::post_body(&batch, changed.ix, account.as_ref(), None, links);
        Ok(Reply { status: 200, body })
    }

    /// The content after the edit, checked whole; `None` when only the time changes.
    fn edited(
        &self,
        patch: &PatchRequest,
        batch: &Arc<Batch>,
        ix: TargetIx,
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
        let inline = patch
            .media
            .iter()
            .flatten()
            .any(|media| matches!(media.source, RequestSource::Inline(_)));
        if inline {
            return Err(Fault::new(Code::ValidationFailed, "an edit takes no media inline")
                .rule("media.bytes_inline_unsupported")
                .remedy("Give a public url, or cancel the post and create it anew."));
        }
        let mut content = Content::clone(batch.content_of(target));
        if let Some(text) = &patch.text {
            content.text.clone_from(text);
        }
        if let Some(media) = &patch.media {
            content.media =
                media.iter().map(|one| media_item(one, &mut Inline::default())).collect();
        }
        self.uploads(&content)?;
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
        self.once(request, key, ("DELETE", post), &[], self.canceled(caller, post)).await
    }

    async fn canceled(&self, caller: &Caller, post: &str) -> Result<Reply, Fault> {
        let (caller, wanted) = (caller.clone(), post.to_owned());
        let id = self.off(move |this| this.post(&caller, &wanted).map(|(id, _, _)| id)).await?;
        let change = Change::Cancel { reason: CancelReason::Requested };
        match self.options.engine.change(id, change).await {
            Ok(_) => Ok(Reply { status: 200, body: wire::cancel_body(id) }),
            Err(problem) => Err(refused(&problem, post)),
        }
    }

    /// The post of an id, if this caller may know of it.
    pub(super) fn post(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(PostId, Arc<Batch>, TargetIx), Fault> {
        let post: PostId = id.parse().map_err(|_| faults::no_post(id))?;
        let (batch, ix) = self.find(post)?.ok_or_else(|| faults::no_post(id))?;
        let target = batch.target(ix).ok_or_else(|| faults::no_post(id))?;
        match caller.key.profile {
            Some(own) if own != target.profile => {
                Err(faults::no_post(id).rule("api_key.profile_scope"))
            }
            _ => Ok((post, batch, ix)),
        }
    }
}

fn wrong_status(status: &str) -> Fault {
    conflict(
        "post.status",
        format!("the post is {status}; only a queued one can be changed"),
        "Read the post again; publish a new one if it is needed.",
    )
}

fn refused(problem: &ChangeError, post: &str) -> Fault {
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
        ChangeError::Engine(problem) => faults::engine(problem),
    }
}
