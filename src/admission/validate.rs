//! `POST /v1/posts/validate`: everything that publishing would check, and nothing that it would do.

use std::future::Future;

use bytes::Bytes;

use super::caller::Caller;
use super::create::{Admission, Inline, content, duplicate};
use super::resolve;
use crate::courier::Inspection;
use crate::model::{Account, Content, Digest, Fault, RequestId, SendOutcome};
use crate::preflight;
use crate::wire::{self, Checked, CreateRequest, Reply};

/// What was found without looking at any attachment.
struct Found {
    errors: Vec<Fault>,
    targets: Vec<Checked>,
    /// The content of each target that has one, with its place.
    said: Vec<(usize, Inspection)>,
    inline: Inline,
}

impl Admission {
    /// Every violation of a request to publish, target by target.
    ///
    /// `keep` stores inline bytes for a deep look at them; nobody names them, so upkeep clears them
    /// away.
    ///
    /// # Errors
    /// A body that cannot be read as a request: as publishing would answer it.
    pub async fn validate<K, F>(
        &self,
        caller: &Caller,
        request: &RequestId,
        body: Bytes,
        keep: K,
    ) -> Result<Reply, Fault>
    where
        K: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Digest, Fault>>,
    {
        let caller = caller.clone();
        let found = self.off(move |this| {
            let (asked, deep) = wire::parse_validate(&body)?;
            this.violations(&caller, &asked).map(|found| (found, deep))
        });
        let (Found { errors, mut targets, said, inline }, deep) = found.await?;
        if deep {
            inline.keep(&keep, &mut Vec::new()).await?;
            // What is wrong already needs no closer look.
            let sound = |ix: &usize| targets[*ix].errors.is_empty();
            let (places, looks): (Vec<usize>, Vec<Inspection>) =
                said.into_iter().filter(|(ix, _)| sound(ix)).unzip();
            let faults = (self.options.inspect)(looks).await;
            for (ix, faults) in places.into_iter().zip(faults) {
                targets[ix].errors.extend(faults);
            }
        }
        let unsent = |fault: Fault| fault.outcome(SendOutcome::NotSent);
        let errors: Vec<Fault> = errors.into_iter().map(unsent).collect();
        Ok(wire::validate_reply(&errors, &targets, request, &self.options.links))
    }

    fn violations(&self, caller: &Caller, asked: &CreateRequest) -> Result<Found, Fault> {
        let mut errors = Vec::new();
        if let Err(fault) = resolve::scope(asked, caller.key.profile) {
            errors.push(fault);
        }
        if let Some(Err(fault)) = asked.scheduled_at.map(|at| self.window(at)) {
            errors.push(fault);
        }
        let accounts = self.accounts_for(asked)?;
        let mut inline = Inline::default();
        let mut said: Vec<(usize, &Account, Content)> = Vec::new();
        let mut targets = Vec::with_capacity(asked.targets.len());
        for ix in 0..asked.targets.len() {
            let mut checked = Checked::default();
            match resolve::one(&accounts, asked, ix, caller.key.profile) {
                Err(fault) => {
                    checked.platform = fault.platform.or(asked.targets[ix].platform);
                    checked.account = asked.targets[ix].account;
                    checked.errors.push(fault);
                }
                Ok(one) => {
                    let content = content(&one, &mut inline);
                    checked.account = Some(one.account.id);
                    checked.platform = Some(one.account.platform);
                    checked.warnings = one.warnings.clone();
                    let twin = said.iter().find(|(_, account, other)| {
                        account.id == one.account.id && *other == content
                    });
                    if let Some((twin, ..)) = twin {
                        checked.errors.push(duplicate(*twin, ix, one.account.id));
                    }
                    if let Err(fault) = self.target(&one, &content, 0, caller.is_test()) {
                        checked.errors.push(fault);
                    }
                    checked.errors.extend(preflight::shape(one.account.platform, &content));
                    if let Err(fault) = self.uploads(&content, one.account.profile) {
                        checked.errors.push(fault);
                    }
                    said.push((ix, one.account, content));
                }
            }
            targets.push(checked);
        }
        let said = said.into_iter().map(|(ix, account, content)| {
            let (platform, profile) = (account.platform, account.profile);
            (ix, Inspection { platform, profile, content })
        });
        Ok(Found { errors, targets, said: said.collect(), inline })
    }
}
