//! The definition of how one target is published.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Content, Digest, Millis, Platform, StepRef};

/// How one target is published: the parsed form of `workflows/publish/<name>.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The file's name without `.toml`.
    pub name: String,
    /// The platform it speaks to.
    pub platform: Platform,
    /// SHA-256 of the text it was parsed from.
    pub digest: Digest,
    /// How long after its start a target may still be trying.
    pub give_up_after: Millis,
    /// How many attempts of one account may run at once.
    pub account_slots: u32,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One step of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name; `platforms` knows it.
    pub name: String,
    /// Once, or once a media item.
    pub each: Each,
    /// When it applies.
    pub when: When,
    /// Whether the world can see its effect.
    pub visible: Visible,
    /// How long one attempt may take.
    pub timeout: Millis,
    /// How many failed attempts the step may spend.
    pub attempts_max: u32,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// What may be done when the outcome is unknown.
    pub on_doubt: Doubt,
    /// What a failure of the step means for the target.
    pub on_fail: OnFail,
}

/// How often a step is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each {
    /// Once.
    Once,
    /// Once for every media item, in order.
    Media,
}

/// When a step applies. A closed set of words; all of them look at the content alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// The content has media.
    Media,
    /// The content has a first comment.
    FirstComment,
    /// The text or the first comment has an `@`.
    Mentions,
    /// The options name a post to reply to (a member whose name starts with `replyTo`).
    Reply,
}

/// Whether the world can see a step's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visible {
    /// It cannot: repeating leaves at most an orphan that the platform clears away.
    No,
    /// It makes the post.
    Post,
    /// It makes the first comment.
    Comment,
}

/// What may be done when a visible call's outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Send the identical bytes again: the platform de-duplicates, by a key that derives from the
    /// post alone, because a server restored from a backup may know nothing else of it.
    Repeat,
    /// Read back after a grace longer than a sent request can still land.
    Probe {
        /// The grace before the first read-back.
        grace: Millis,
        /// How often in a row it must be absent before it counts as absent.
        looks: u32,
        /// The wait between read-backs.
        pause: Millis,
    },
    /// Hold the target; an operator decides.
    Hold,
}

/// Waits that double from `first` up to `max`, each with up to `jitter_percent` taken off or added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Millis,
    /// No wait is longer.
    pub max: Millis,
    /// The share that chance may add or take, in percent, 0 to 50.
    pub jitter_percent: u8,
}

/// What a failure of a step means for the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFail {
    /// The target fails.
    Fail,
    /// The target goes on, with a warning (`first_comment_failed`).
    Warn,
}

/// Why a definition does not hold. Reads after "failed to load a workflow:".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct WorkflowError {
    /// The file, or `built-in NAME`.
    pub file: String,
    /// What is wrong, with the line where it is known, and the remedy.
    pub problem: String,
}

/// Every definition that a target may have pinned.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    by_digest: BTreeMap<Digest, Arc<Definition>>,
    current: BTreeMap<String, Digest>,
}

impl Catalog {
    /// Adds a definition as the one that new targets of its name pin.
    pub fn add_current(&mut self, definition: Definition) {
        self.current.insert(definition.name.clone(), definition.digest);
        self.add_pinned(definition);
    }

    /// Adds a definition that only older targets pin.
    pub fn add_pinned(&mut self, definition: Definition) {
        self.by_digest.insert(definition.digest, Arc::new(definition));
    }

    /// The definition with this digest.
    pub fn get(&self, digest: &Digest) -> Option<&Arc<Definition>> {
        self.by_digest.get(digest)
    }

    /// The definition that new targets of this name pin.
    pub fn current(&self, name: &str) -> Option<&Arc<Definition>> {
        self.current.get(name).and_then(|digest| self.by_digest.get(digest))
    }

    /// The definitions that new targets pin, by name.
    pub fn all_current(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.current.values().filter_map(|digest| self.by_digest.get(digest))
    }
}

impl When {
    /// Whether a step under this condition applies to `content`.
    pub fn holds(self, content: &Content) -> bool {
        match self {
            Self::Always => true,
            Self::Media => !content.media.is_empty(),
            Self::FirstComment => content.first_comment.is_some(),
            Self::Mentions => {
                content.text.contains('@')
                    || content.first_comment.as_ref().is_some_and(|c| c.text.contains('@'))
            }
            Self::Reply => content.options.as_ref().is_some_and(|o| o.contains("\"replyTo")),
        }
    }
}

impl Definition {
    /// The step a reference points at, if this definition has it.
    pub fn step(&self, at: StepRef) -> Option<&Step> {
        self.steps.get(usize::from(at.step))
    }

    /// The first step that applies to `content`.
    pub fn first(&self, content: &Content) -> Option<StepRef> {
        self.onward(0, content)
    }

    /// The step or round after `at`, or `None` when `at` was the last.
    pub fn next(&self, at: StepRef, content: &Content) -> Option<StepRef> {
        let rounds = self.step(at).map_or(1, |step| step.rounds(content));
        if usize::from(at.round) + 1 < rounds {
            return Some(StepRef { step: at.step, round: at.round + 1 });
        }
        self.onward(usize::from(at.step) + 1, content)
    }

    fn onward(&self, place: usize, content: &Content) -> Option<StepRef> {
        let found = self
            .steps
            .iter()
            .enumerate()
            .skip(place)
            .find(|(_, step)| step.when.holds(content) && step.rounds(content) > 0)?;
        Some(StepRef { step: u16::try_from(found.0).ok()?, round: 0 })
    }
}

impl Step {
    /// How many rounds the step has for `content`.
    pub fn rounds(&self, content: &Content) -> usize {
        match self.each {
            Each::Once => 1,
            Each::Media => content.media.len(),
        }
    }
}
