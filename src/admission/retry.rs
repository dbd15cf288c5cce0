//! `POST /v1/posts/:id/retry`.

use bytes::Bytes;

use super::caller::Caller;
use super::change::{refused, submitted};
use super::claims::Served;
use super::create::Admission;
use super::faults::{self, conflict};
use crate::engine::{Asking, Change, ChangeError};
use crate::model::{Fault, PostId, RequestId};
use crate::wire::{self, RetryRequest};

impl Admission {
    /// Queues a post that failed, was rejected or was canceled again.
    pub async fn retry(
        &self,
        caller: &Caller,
        request: &RequestId,
        key: Option<&str>,
        post: &str,
        body: Bytes,
    ) -> Served {
        let route = format!("/v1/posts/{post}/retry");
        let work = async |claim| {
            let asking = Asking { request: Some(request.clone()), claim, warnings: Vec::new() };
            let asked = wire::parse_retry(&body)?;
            let (caller, wanted) = (caller.clone(), post.to_owned());
            let (force, due) = (asked.force, asked.scheduled_at);
            let id = self.off(move |this| this.retryable(&caller, &wanted, &asked)).await?;
            let changed =
                self.options.engine.change(id, Change::Retry { due, force }, asking).await;
            changed.map(submitted).map_err(|problem| not_retried(&problem, post))
        };
        self.once(request, caller.sent(key), ("POST", &route), &body, work).await
    }

    /// The post to be retried, if everything that it needs is there.
    fn retryable(
        &self,
        caller: &Caller,
        post: &str,
        asked: &RetryRequest,
    ) -> Result<PostId, Fault> {
        let (id, batch, ix) = self.changeable(caller, post)?;
        let target = batch.target(ix).ok_or_else(|| faults::no_post(post))?;
        let status = wire::post_status(target);
        if !matches!(status, "failed" | "rejected" | "canceled") {
            return Err(wrong_status(status));
        }
        asked.scheduled_at.map_or(Ok(()), |at| self.window(at))?;
        if self.account_of(&batch, ix)?.is_none() {
            return Err(conflict(
                "post.retry.account_missing",
                "the post's account was removed".to_owned(),
                "Publish the post anew on a connected account.",
            ));
        }
        self.uploads(batch.content_of(target), target.profile)?;
        Ok(id)
    }
}

fn not_retried(problem: &ChangeError, post: &str) -> Fault {
    match problem {
        ChangeError::Status { status } => wrong_status(status),
        ChangeError::Raced => conflict(
            "post.retry.raced",
            "another retry came first".to_owned(),
            "Read the post again.",
        ),
        ChangeError::Doubtful => conflict(
            "post.retry.outcome_unknown",
            "the post was sent, and whether it is live is not known".to_owned(),
            "Look at the account. If the post is not there, send {\"force\": true}; if it is, an \
             operator rules it with `fanfare batch rule <post> published`.",
        ),
        other => refused(other, post),
    }
}

fn wrong_status(status: &str) -> Fault {
    conflict(
        "post.retry.status",
        format!("the post is {status}; only a failed, rejected or canceled one can be retried"),
        "Read the post again; publish a new one if it is needed.",
    )
}
