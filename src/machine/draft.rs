//! The first state of a batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Refusal;
use crate::model::{
    AccountId, Batch, BatchId, Content, ContentIx, Cursor, Digest, Errand, KeyId, Platform, PostId,
    ProfileId, ReplyState, RequestId, Target, Timestamp, Warning,
};
use crate::workflow::Catalog;

/// What a batch is made of.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id.
    pub id: BatchId,
    /// Now.
    pub at: Timestamp,
    /// The creating request.
    pub request_id: RequestId,
    /// The creating key.
    pub key: KeyId,
    /// Whether it is a test key.
    pub test: bool,
    /// Its claim.
    pub claim: Option<Digest>,
    /// When it is to go out.
    pub scheduled_at: Option<Timestamp>,
    /// Until when an immediate batch may keep its client waiting.
    pub reply_by: Timestamp,
    /// The distinct contents.
    pub contents: Vec<Content>,
    /// The targets.
    pub targets: Vec<DraftTarget>,
}

/// What a target is made of.
#[derive(Debug, Clone)]
pub struct DraftTarget {
    /// Its post id.
    pub post: PostId,
    /// Its account.
    pub account: AccountId,
    /// That account's profile.
    pub profile: ProfileId,
    /// That account's platform.
    pub platform: Platform,
    /// The definition it pins.
    pub definition: Digest,
    /// The place of its content.
    pub content: ContentIx,
    /// Remarks from admission.
    pub warnings: Vec<Warning>,
}

/// The batch that an `Accepted` event carries.
///
/// # Errors
/// `NoDefinition` when a target pins what is not loaded; `BadDraft` when a content is missing or
/// a definition has no step for it.
pub fn draft(draft: Draft, catalog: &Catalog) -> Result<Batch, Refusal> {
    let contents: BTreeMap<ContentIx, Arc<Content>> =
        (0u16..).map(ContentIx).zip(draft.contents.into_iter().map(Arc::new)).collect();
    let mut targets = Vec::with_capacity(draft.targets.len());
    for target in draft.targets {
        let content = contents.get(&target.content).ok_or_else(|| {
            Refusal::BadDraft("a target names a content that is not there".into())
        })?;
        let definition =
            catalog.get(&target.definition).ok_or(Refusal::NoDefinition(target.definition))?;
        let first = definition
            .first(content)
            .ok_or_else(|| Refusal::BadDraft(format!("{} has no step", definition.name)))?;
        let cursor = match draft.scheduled_at {
            Some(due) => Cursor::Queued { due },
            None => Cursor::Ready { step: first, errand: Errand::Send, since: draft.at },
        };
        targets.push(Arc::new(new_target(target, cursor, draft.scheduled_at, draft.at)));
    }
    Ok(Batch {
        id: draft.id,
        created_at: draft.at,
        request_id: draft.request_id,
        key: draft.key,
        test: draft.test,
        scheduled_at: draft.scheduled_at,
        claim: draft.claim,
        reply: match draft.scheduled_at {
            Some(_) => ReplyState::Given,
            None => ReplyState::Pending { by: draft.reply_by },
        },
        contents,
        targets,
        entries: 0,
    })
}

fn new_target(draft: DraftTarget, cursor: Cursor, due: Option<Timestamp>, at: Timestamp) -> Target {
    Target {
        post: draft.post,
        account: draft.account,
        profile: draft.profile,
        platform: draft.platform,
        definition: draft.definition,
        content: draft.content,
        cursor,
        due,
        timed_by: None,
        started_at: None,
        lateness: None,
        attempts: 0,
        step_attempts: 0,
        step_spent: 0,
        step_reauths: 0,
        absences: 0,
        doubt_since: None,
        memo: BTreeMap::new(),
        receipt: None,
        comment: None,
        warnings: draft.warnings,
        last_fault: None,
        published_at: None,
        updated_at: at,
    }
}
