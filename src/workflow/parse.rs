//! From TOML to definitions, strictly: an unknown word is an error that names the known ones.

use serde::Deserialize;

use super::definition::{
    Backoff, Definition, Doubt, Each, OnFail, Step, Visible, When, WorkflowError,
};
use crate::model::{Digest, Millis, Platform};

/// Attempts of one step at the most.
const ATTEMPTS_MAX: u32 = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    platform: String,
    give_up_after: Span,
    account_slots: u32,
    step: Vec<StepFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFile {
    name: String,
    #[serde(default)]
    each: EachFile,
    #[serde(default)]
    when: WhenFile,
    #[serde(default)]
    visible: VisibleFile,
    timeout: Span,
    attempts_max: u32,
    backoff: BackoffFile,
    on_doubt: Option<DoubtFile>,
    #[serde(default)]
    on_fail: OnFailFile,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum EachFile {
    #[default]
    Once,
    Media,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum WhenFile {
    #[default]
    Always,
    Media,
    FirstComment,
    Mentions,
    Reply,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum VisibleFile {
    #[default]
    No,
    Post,
    Comment,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum OnFailFile {
    #[default]
    Fail,
    Warn,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum DoubtFile {
    Repeat,
    Hold,
    #[serde(untagged)]
    Probe {
        probe: ProbeFile,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeFile {
    grace: Span,
    looks: u32,
    pause: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackoffFile {
    first: Span,
    max: Span,
    #[serde(default)]
    jitter_percent: u8,
}

/// The span of a text with its unit, such as `500ms`, `10s`, `2m`, `24h`, `90d`.
///
/// # Errors
/// What is wrong with the text, in words.
pub fn parse_span(text: &str) -> Result<Millis, String> {
    Span::try_from(text.to_owned()).map(|span| span.0)
}

/// A span with its unit, such as `500ms`, `10s`, `2m`, `24h`, `90d`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Span(pub Millis);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(format!("{text:?} is no span; write 500ms, 10s, 2m, 24h or 90d")),
        };
        let count: Option<u64> = digits.parse().ok();
        let millis = count.and_then(|count| count.checked_mul(unit));
        millis
            .map(|millis| Self(Millis(millis)))
            .ok_or_else(|| format!("{text:?} is no span; write 500ms, 10s, 2m, 24h or 90d"))
    }
}

/// The definition that a text states.
///
/// # Errors
/// `WorkflowError` with the file, the line where it is known, what is wrong and the remedy.
pub fn parse(name: &str, text: &str) -> Result<Definition, WorkflowError> {
    let wrong = |problem: String| WorkflowError { file: format!("{name}.toml"), problem };
    let file: File = toml::from_str(text).map_err(|e| wrong(e.to_string().trim().to_owned()))?;
    let platform: Platform = file
        .platform
        .parse()
        .map_err(|_| wrong(format!("platform {:?} is not known", file.platform)))?;
    if file.account_slots == 0 {
        return Err(wrong("account_slots is 0: nothing could ever begin; give 1 or more".into()));
    }
    if file.give_up_after.0 == Millis(0) {
        return Err(wrong("give_up_after is 0: nothing could ever be tried again".into()));
    }
    let steps: Vec<Step> =
        file.step.into_iter().map(step).collect::<Result<_, String>>().map_err(wrong)?;
    if let Some(problem) = problem(&steps) {
        return Err(wrong(problem));
    }
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.as_ref());
    Ok(Definition {
        name: name.to_owned(),
        platform,
        digest: Digest(digest),
        give_up_after: file.give_up_after.0,
        account_slots: file.account_slots,
        steps,
    })
}

fn step(file: StepFile) -> Result<Step, String> {
    let name = file.name;
    if !(1..=ATTEMPTS_MAX).contains(&file.attempts_max) {
        return Err(format!("step {name}: attempts_max must be 1 to {ATTEMPTS_MAX}"));
    }
    if file.timeout.0 == Millis(0) || file.backoff.first.0 > file.backoff.max.0 {
        return Err(format!("step {name}: timeout must be above 0, and backoff.first at most max"));
    }
    if file.backoff.jitter_percent > 50 {
        return Err(format!("step {name}: backoff.jitter_percent must be 0 to 50"));
    }
    let visible = match file.visible {
        VisibleFile::No => Visible::No,
        VisibleFile::Post => Visible::Post,
        VisibleFile::Comment => Visible::Comment,
    };
    let on_doubt = match (file.on_doubt, visible) {
        (Some(DoubtFile::Repeat), _) | (None, Visible::No) => Doubt::Repeat,
        (Some(DoubtFile::Hold | DoubtFile::Probe { .. }), Visible::No) => {
            return Err(format!(
                "step {name} is not visible, so it may always be repeated: leave on_doubt out"
            ));
        }
        (Some(DoubtFile::Hold), _) => Doubt::Hold,
        (Some(DoubtFile::Probe { probe }), _) if probe.looks == 0 => {
            return Err(format!("step {name}: probe.looks must be 1 or more"));
        }
        (Some(DoubtFile::Probe { probe }), _) => {
            Doubt::Probe { grace: probe.grace.0, looks: probe.looks, pause: probe.pause.0 }
        }
        (None, Visible::Post | Visible::Comment) => {
            return Err(format!(
                "step {name} is visible and has no on_doubt; say \"repeat\", \"hold\" or \
                 {{ probe = … }}"
            ));
        }
    };
    Ok(Step {
        name,
        each: match file.each {
            EachFile::Once => Each::Once,
            EachFile::Media => Each::Media,
        },
        when: match file.when {
            WhenFile::Always => When::Always,
            WhenFile::Media => When::Media,
            WhenFile::FirstComment => When::FirstComment,
            WhenFile::Mentions => When::Mentions,
            WhenFile::Reply => When::Reply,
        },
        visible,
        timeout: file.timeout.0,
        attempts_max: file.attempts_max,
        backoff: Backoff {
            first: file.backoff.first.0,
            max: file.backoff.max.0,
            jitter_percent: file.backoff.jitter_percent,
        },
        on_doubt,
        on_fail: match file.on_fail {
            OnFailFile::Fail => OnFail::Fail,
            OnFailFile::Warn => OnFail::Warn,
        },
    })
}

/// What is wrong with the steps together.
fn problem(steps: &[Step]) -> Option<String> {
    let posts: Vec<&Step> = steps.iter().filter(|step| step.visible == Visible::Post).collect();
    if posts.len() != 1 {
        let count = posts.len();
        return Some(format!("{count} steps are visible = \"post\"; exactly one makes the post"));
    }
    if posts[0].when != When::Always || posts[0].each != Each::Once {
        let name = &posts[0].name;
        return Some(format!("step {name} makes the post: it must apply always and once"));
    }
    if posts[0].on_fail != OnFail::Fail {
        let name = &posts[0].name;
        return Some(format!("step {name} makes the post: its on_fail must be \"fail\""));
    }
    if let Some(problem) = comment_problem(steps) {
        return Some(problem);
    }
    let twice = steps
        .iter()
        .enumerate()
        .find(|(place, step)| steps[..*place].iter().any(|earlier| earlier.name == step.name));
    twice.map(|(_, step)| format!("two steps are called {}", step.name))
}

/// What is wrong with the step that makes the first comment, if there is one.
fn comment_problem(steps: &[Step]) -> Option<String> {
    let mut comments = steps.iter().enumerate().filter(|(_, s)| s.visible == Visible::Comment);
    let (place, comment) = comments.next()?;
    let name = &comment.name;
    if comments.next().is_some() {
        return Some("more than one step is visible = \"comment\"; a post has one".to_owned());
    }
    if steps[place..].iter().any(|step| step.visible == Visible::Post) {
        return Some("a comment step stands before the step that makes the post".to_owned());
    }
    let fits = comment.when == When::FirstComment && comment.each == Each::Once;
    (!fits).then(|| {
        format!(
            "step {name} makes the comment: it needs when = \"first_comment\", and applies once"
        )
    })
}
