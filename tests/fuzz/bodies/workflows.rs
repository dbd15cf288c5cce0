//! Workflow definitions as an operator may write them, and the times of their cron expressions.
//!
//! An input is a byte that chooses the definition to override, and its text; or a cron expression
//! alone.

use fanfare::model::{Content, FirstComment, MediaItem, MediaKind, MediaSource, Timestamp};
use fanfare::platforms::registry;
use fanfare::upkeep::next_run;
use fanfare::workflow::{
    DELIVER, Definition, Loaded, Overrides, PUBLISH, UPKEEP, check_steps, load, parse_upkeep,
};

use super::cut::Cut;

/// No definition gives more steps to a content: a name is used once, and a text is small.
const STEPS_MAX: usize = 10_000;
/// Before, in and after the years that cron knows.
const INSTANTS: [i64; 5] = [i64::MIN, 0, 1_799_999_999_999, 4_102_444_800_000, i64::MAX];

/// See `ALL`.
pub fn run(input: &[u8]) {
    let mut cut = Cut::new(input);
    let choice = usize::from(cut.byte());
    let Ok(text) = std::str::from_utf8(cut.rest()) else { return };
    let mut overrides = Overrides::default();
    let named = |of: &[(&str, &str)]| {
        let (name, _) = of[choice / 4 % of.len()];
        vec![(name.to_owned(), text.to_owned())]
    };
    match choice % 4 {
        0 => overrides.publish = named(&PUBLISH),
        1 => overrides.upkeep = named(&UPKEEP),
        2 => overrides.deliver = named(&DELIVER),
        _ => return cron(text),
    }
    match load(&overrides) {
        Ok(loaded) => check(&loaded),
        Err(problem) => {
            let problem = problem.to_string();
            assert!(problem.contains(".toml: ") && problem.len() > 10, "{problem}");
        }
    }
}

/// A text with this expression; as good as any other.
fn cron(expression: &str) {
    let text = UPKEEP[0].1;
    let old = text.lines().find(|line| line.starts_with("cron = ")).expect("it has one");
    let new = toml::Value::from(expression);
    if let Ok(task) = parse_upkeep(UPKEEP[0].0, &text.replacen(old, &format!("cron = {new}"), 1)) {
        runs(&task.schedule);
    }
}

fn check(loaded: &Loaded) {
    for task in &loaded.upkeep {
        runs(&task.schedule);
    }
    for attempts in [0, 1, 2, 50, 51, u32::MAX] {
        assert!(loaded.deliver.wait_after(attempts).is_none_or(|wait| wait.0 >= 100));
    }
    let registry = registry();
    for definition in loaded.catalog.all_current() {
        if let Some(codec) = registry.get(&definition.platform) {
            // What does not hold is said; what holds can be carried out.
            let _said = check_steps(definition, codec.steps());
        }
        steps(definition);
    }
}

/// Every time is after the one before, and there is an end.
fn runs(schedule: &cron::Schedule) {
    for instant in INSTANTS {
        let mut at = Timestamp::from_millis(instant);
        for _ in 0..3 {
            let Some(next) = next_run(schedule, at) else { break };
            assert!(next > at, "{schedule} does not move on from {at}");
            at = next;
        }
    }
}

fn steps(definition: &Definition) {
    let item = MediaItem {
        kind: MediaKind::Image,
        alt_text: None,
        source: MediaSource::Url("https://e.org/a".to_owned()),
    };
    let rich = Content {
        text: "@a".to_owned(),
        media: vec![item; 3],
        first_comment: Some(FirstComment { text: "c".to_owned() }),
        options: Some(r#"{"replyToUri":"at://x"}"#.to_owned()),
    };
    for content in [Content { text: "a".to_owned(), ..Content::default() }, rich] {
        let mut at = definition.first(&content);
        let mut count = 0;
        while let Some(here) = at {
            assert!(definition.step(here).is_some(), "{here:?} leads nowhere");
            count += 1;
            assert!(count < STEPS_MAX, "no end");
            at = definition.next(here, &content);
        }
        assert!(count > 0, "nothing makes the post");
    }
}
