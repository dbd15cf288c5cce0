//! `POST /v1/posts/validate`: everything that publishing would check, and nothing that it would do.

use bytes::Bytes;

use super::caller::Caller;
use super::create::{Admission, Inline, content, duplicate};
use super::resolve;
use crate::model::{Account, Content, Fault, RequestId, SendOutcome};
use crate::preflight;
use crate::wire::{self, Checked, CreateRequest, Reply};

impl Admission {
    /// Every violation of a request to publish, target by target.
    ///
    /// # Errors
    /// A body that cannot be read as a request: as publishing would answer it.
    pub async fn validate(
        &self,
        caller: &Caller,
        request: &RequestId,
        body: Bytes,
    ) -> Result<Reply, Fault> {
        let (caller, request) = (caller.clone(), request.clone());
        self.off(move |this| {
            let asked = wire::parse_create(&body)?;
            let (errors, targets) = this.violations(&caller, &asked)?;
            let unsent = |fault: Fault| fault.outcome(SendOutcome::NotSent);
            let errors: Vec<Fault> = errors.into_iter().map(unsent).collect();
            Ok(wire::validate_reply(&errors, &targets, &request, &this.options.links))
        })
        .await
    }

    fn violations(
        &self,
        caller: &Caller,
        asked: &CreateRequest,
    ) -> Result<(Vec<Fault>, Vec<Checked>), Fault> {
        let mut errors = Vec::new();
        if let Err(fault) = resolve::scope(asked, caller.key.profile) {
            errors.push(fault);
        }
        if let Some(Err(fault)) = asked.scheduled_at.map(|at| self.window(at)) {
            errors.push(fault);
        }
        let accounts = self.accounts_for(asked)?;
        let mut inline = Inline::default();
        let mut said: Vec<(&Account, Content)> = Vec::new();
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
                    let twin = said.iter().position(|(account, other)| {
                        account.id == one.account.id && *other == content
                    });
                    if let Some(twin) = twin {
                        checked.errors.push(duplicate(twin, ix, one.account.id));
                    }
                    if let Err(fault) = self.target(&one, &content, 0, caller.is_test()) {
                        checked.errors.push(fault);
                    }
                    checked.errors.extend(preflight::shape(one.account.platform, &content));
                    if let Err(fault) = self.uploads(&content, one.account.profile) {
                        checked.errors.push(fault);
                    }
                    said.push((one.account, content));
                }
            }
            targets.push(checked);
        }
        Ok((errors, targets))
    }
}
