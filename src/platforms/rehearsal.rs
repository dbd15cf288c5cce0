//! Publishing with a test key: everything of a platform but the platform.
//!
//! Attachments are fetched and inspected as the platform's own codec would; then the post counts as
//! published, under an address of ours that says so. Nothing is ever sent.

use std::sync::Arc;

use super::codec::{Answer, Context, MediaFacts, Platform, Prepared};
use super::snapshot;
use crate::model::{self, Code, Content, Fault, MediaItem, Output, Receipt, Verdict, Warning};

/// The name of the workflow that posts of test keys pin.
pub const REHEARSAL: &str = "rehearsal";

/// A platform's codec that rehearses instead of speaking to it.
pub struct Rehearsal {
    real: Arc<dyn Platform>,
}

impl Rehearsal {
    /// The rehearsal of a platform.
    pub fn of(real: Arc<dyn Platform>) -> Self {
        Self { real }
    }
}

impl Platform for Rehearsal {
    fn platform(&self) -> model::Platform {
        self.real.platform()
    }

    fn workflow(&self, _content: &Content) -> &'static str {
        REHEARSAL
    }

    fn steps(&self) -> &'static [&'static str] {
        &[snapshot::SNAPSHOT, "publish"]
    }

    fn inspect(&self, item: &MediaItem, facts: &MediaFacts) -> Result<(), Fault> {
        self.real.inspect(item, facts)
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Prepared, Fault> {
        match cx.step {
            snapshot::SNAPSHOT => Ok(Prepared::Snapshot),
            _ => Ok(Prepared::Nothing(landed(cx, self.platform()))),
        }
    }

    fn interpret(&self, cx: &Context<'_>, answer: &Answer) -> Verdict {
        match cx.step {
            snapshot::SNAPSHOT => snapshot::interpret(self, cx, answer),
            // Nothing was asked, so nothing can have been answered.
            _ => Verdict::Refuse {
                fault: Fault::new(Code::InternalError, "a rehearsal was answered")
                    .rule("server.attempt")
                    .remedy("Please report this with the post's journal."),
            },
        }
    }
}

fn landed(cx: &Context<'_>, platform: model::Platform) -> Output {
    let cid = format!("sandbox_{:032x}", cx.post.raw());
    let uri = format!("{}/sandbox/{platform}/{cid}", cx.access.base_url);
    Output {
        memo: None,
        receipt: Some(Receipt { url: Some(uri.clone()), uri: Some(uri), cid: Some(cid) }),
        warnings: vec![Warning {
            code: "sandbox.no_platform_write".to_owned(),
            message: format!("A test key published this: nothing was sent to {platform}."),
        }],
    }
}
