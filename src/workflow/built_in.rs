//! The definitions that are compiled in, and the files that override them.

use super::definition::{Catalog, Definition, Doubt, Visible, WorkflowError};
use super::deliver::{DeliverDefinition, parse_deliver};
use super::parse::parse;
use super::upkeep::{UpkeepDefinition, parse_upkeep};

/// Every built-in definition of a publish: name and text.
pub const PUBLISH: [(&str, &str); 5] = [
    ("bluesky", include_str!("../../workflows/publish/bluesky.toml")),
    ("sandbox", include_str!("../../workflows/publish/sandbox.toml")),
    ("sandbox-readable", include_str!("../../workflows/publish/sandbox-readable.toml")),
    ("sandbox-blind", include_str!("../../workflows/publish/sandbox-blind.toml")),
    ("rehearsal", include_str!("../../workflows/publish/rehearsal.toml")),
];

/// Every built-in upkeep task: name and text.
pub const UPKEEP: [(&str, &str); 6] = [
    ("expire-claims", include_str!("../../workflows/upkeep/expire-claims.toml")),
    ("trim-journals", include_str!("../../workflows/upkeep/trim-journals.toml")),
    ("refresh-credentials", include_str!("../../workflows/upkeep/refresh-credentials.toml")),
    ("trim-notices", include_str!("../../workflows/upkeep/trim-notices.toml")),
    ("prune-media", include_str!("../../workflows/upkeep/prune-media.toml")),
    ("backup", include_str!("../../workflows/upkeep/backup.toml")),
];

/// Every built-in definition of a delivery: name and text.
pub const DELIVER: [(&str, &str); 1] =
    [("webhook", include_str!("../../workflows/deliver/webhook.toml"))];

/// A definition's text under its name.
pub type Named = (String, String);

/// The texts of a configured folder, by the folder they stand in.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Publishing.
    pub publish: Vec<Named>,
    /// Upkeep.
    pub upkeep: Vec<Named>,
    /// Delivery.
    pub deliver: Vec<Named>,
}

/// What a server runs by, with the texts it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The definitions.
    pub catalog: Catalog,
    /// Their texts, to be stored so that a later program still knows them.
    pub texts: Vec<(Definition, String)>,
    /// The upkeep tasks.
    pub upkeep: Vec<UpkeepDefinition>,
    /// How notices are delivered.
    pub deliver: DeliverDefinition,
}

/// The built-in definitions with those of a folder overriding the ones of the same name.
///
/// # Errors
/// The first text that does not hold, or an override that names nothing built in.
pub fn load(overrides: &Overrides) -> Result<Loaded, WorkflowError> {
    let mut catalog = Catalog::default();
    let mut texts = Vec::new();
    for (name, text) in merged(&PUBLISH, &overrides.publish)? {
        let definition = parse(&name, &text)?;
        catalog.add_current(definition.clone());
        texts.push((definition, text));
    }
    let upkeep = merged(&UPKEEP, &overrides.upkeep)?;
    let upkeep = upkeep.iter().map(|(name, text)| parse_upkeep(name, text));
    let upkeep = upkeep.collect::<Result<_, _>>()?;
    let [(name, text)]: [Named; 1] = merged(&DELIVER, &overrides.deliver)?
        .try_into()
        .expect("one text comes of each that is built in");
    Ok(Loaded { catalog, texts, upkeep, deliver: parse_deliver(&name, &text)? })
}

fn merged(built_in: &[(&str, &str)], overrides: &[Named]) -> Result<Vec<Named>, WorkflowError> {
    let known = |name: &str| built_in.iter().any(|(built, _)| *built == name);
    if let Some((name, _)) = overrides.iter().find(|(name, _)| !known(name)) {
        let names: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
        return Err(WorkflowError {
            file: format!("{name}.toml"),
            problem: format!("it overrides nothing; the names are {}", names.join(", ")),
        });
    }
    let chosen = |name: &str, text: &str| {
        let own = overrides.iter().find(|(over, _)| over == name);
        (name.to_owned(), own.map_or_else(|| text.to_owned(), |(_, text)| text.clone()))
    };
    Ok(built_in.iter().map(|(name, text)| chosen(name, text)).collect())
}

/// Whether the code can carry out every step of a definition, and the platform keeps what the
/// definition promises of it.
///
/// # Errors
/// Names the step the code does not have, and those it has; or the visible step whose doubt is
/// settled in a way the platform cannot bear.
pub fn check_steps(definition: &Definition, known: &[&str]) -> Result<(), WorkflowError> {
    check_promises(definition)?;
    match definition.steps.iter().find(|step| !known.contains(&step.name.as_str())) {
        None => Ok(()),
        Some(step) => Err(WorkflowError {
            file: format!("{}.toml", definition.name),
            problem: format!(
                "step {:?} is not known for {}; its steps are {}",
                step.name,
                definition.platform,
                known.join(", ")
            ),
        }),
    }
}

/// The built-in text of a name says what its platform can bear. To repeat where nothing
/// de-duplicates would post twice; to read back where nothing can be read would never end.
fn check_promises(definition: &Definition) -> Result<(), WorkflowError> {
    let Some((name, text)) = PUBLISH.iter().find(|(name, _)| *name == definition.name) else {
        return Ok(());
    };
    let built_in = parse(name, text)?;
    let wrong = |problem| Err(WorkflowError { file: format!("{name}.toml"), problem });
    if definition.platform != built_in.platform {
        let (own, meant) = (definition.platform, built_in.platform);
        return wrong(format!("it speaks to {own}, but posts that pin this name go to {meant}"));
    }
    for visible in [Visible::Post, Visible::Comment] {
        let step = |of: &Definition| of.steps.iter().find(|s| s.visible == visible).cloned();
        let (Some(own), Some(meant)) = (step(definition), step(&built_in)) else { continue };
        if boldness(own.on_doubt) > boldness(meant.on_doubt) {
            let may = match meant.on_doubt {
                Doubt::Hold => "\"hold\"",
                Doubt::Probe { .. } | Doubt::Repeat => "a probe or \"hold\"",
            };
            return wrong(format!(
                "step {} could post twice or never settle: on doubt this platform bears only {may}",
                own.name
            ));
        }
    }
    Ok(())
}

/// How much a way out of doubt asks of the platform.
const fn boldness(doubt: Doubt) -> u8 {
    match doubt {
        Doubt::Hold => 0,
        Doubt::Probe { .. } => 1,
        Doubt::Repeat => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Content, FirstComment, MediaItem, MediaKind, MediaSource};
    use crate::workflow::{Doubt, Visible};

    #[test]
    fn what_is_built_in_holds() {
        let loaded = load(&Overrides::default()).expect("the built-in texts hold");
        let doubt = |name: &str| {
            let definition = loaded.catalog.current(name).expect("it is there");
            let post = definition.steps.iter().find(|step| step.visible == Visible::Post);
            post.expect("one step makes the post").on_doubt
        };
        assert_eq!(doubt("bluesky"), Doubt::Repeat);
        assert_eq!(doubt("sandbox"), Doubt::Repeat);
        assert!(matches!(doubt("sandbox-readable"), Doubt::Probe { .. }));
        assert_eq!(doubt("sandbox-blind"), Doubt::Hold);
        assert_eq!(loaded.upkeep.len(), UPKEEP.len());
    }

    #[test]
    fn steps_follow_the_content() {
        let loaded = load(&Overrides::default()).expect("the built-in texts hold");
        let definition = loaded.catalog.current("bluesky").expect("it is there");
        let item = MediaItem {
            kind: MediaKind::Image,
            alt_text: None,
            source: MediaSource::Url("https://e.org/a".into()),
        };
        let check = |content: &Content, expected: &str| {
            let mut names = Vec::new();
            let mut at = definition.first(content);
            while let Some(here) = at {
                let step = definition.step(here).expect("it is there");
                names.push(format!("{}{}", step.name, here.round));
                at = definition.next(here, content);
            }
            assert_eq!(names.join(" "), expected);
        };
        let text = Content { text: "plain".into(), ..Content::default() };
        check(&text, "publish0");
        let rich = Content {
            text: "hi @you".into(),
            media: vec![item.clone(), item],
            first_comment: Some(FirstComment { text: "c".into() }),
            options: Some(r#"{"replyToUri":"at://x"}"#.into()),
        };
        check(
            &rich,
            "snapshot0 snapshot1 resolve_mentions0 reply_parent0 upload0 upload1 publish0 \
             first_comment0",
        );
    }

    #[test]
    fn what_does_not_hold_is_named() {
        let good = PUBLISH[1].1;
        let check = |from: &str, to: &str, says: &str| {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from} stands in the text");
            let problem = parse("sandbox", &text).expect_err(says).to_string();
            assert!(problem.contains(says) && problem.contains("sandbox.toml"), "{problem}");
        };
        check("platform = \"sandbox\"", "platform = \"sandbax\"", "not known");
        check("account_slots = 64", "account_slots = 0", "nothing could ever begin");
        check("attempts_max = 5", "attempts_max = 0", "1 to 50");
        check("timeout = \"10s\"", "timeout = \"10\"", "no span");
        check("visible = \"post\"", "", "exactly one makes the post");
        check("name = \"publish\"", "name = \"upload\"", "two steps are called");
        check("on_doubt = \"repeat\"", "", "has no on_doubt");
        check("on_doubt = \"repeat\"", "on_doubt = \"rep\"", "on_doubt");
        check("jitter_percent = 20", "jitter_percent = 90", "0 to 50");
        check("timeout", "timeut", "timeut");
        check("give_up_after = \"24h\"", "give_up_after = \"0s\"", "give_up_after is 0");
        check("when = \"media\"", "on_doubt = \"hold\"", "leave on_doubt out");
        check("when = \"first_comment\"", "", "needs when = \"first_comment\"");
        check("visible = \"post\"", "visible = \"comment\"", "exactly one makes the post");
        check(
            "name = \"upload\"\neach = \"media\"",
            "name = \"upload\"\nvisible = \"comment\"\non_doubt = \"hold\"",
            "a post has one",
        );
        let steps = parse("sandbox", good).expect("it holds");
        let unknown = check_steps(&steps, &["snapshot", "upload", "publish"]);
        assert!(unknown.is_err_and(|e| e.to_string().contains("first_comment")));
        let stray = load(&Overrides {
            publish: vec![("sandbux".into(), good.into())],
            ..Overrides::default()
        })
        .expect_err("it is named");
        assert!(stray.to_string().contains("sandbox-blind"));
    }

    #[test]
    fn an_override_may_promise_less_of_its_platform_and_never_more() {
        let text = |name: &str| {
            PUBLISH.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
        };
        let known = ["snapshot", "upload", "resolve_mentions", "reply_parent", "publish"]
            .into_iter()
            .chain(["first_comment"])
            .collect::<Vec<_>>();
        let check = |name: &str, text: &str, says: Option<&str>| {
            let definition = parse(name, text).expect("it can be read");
            let problem = check_steps(&definition, &known).err().map(|e| e.to_string());
            match says {
                None => assert_eq!(problem, None),
                Some(says) => {
                    let problem = problem.expect(says);
                    assert!(problem.contains(says) && problem.contains(name), "{problem}");
                }
            }
        };
        for (name, _) in PUBLISH {
            check(name, text(name), None);
            check(name, text("sandbox-blind"), (name == "bluesky").then_some("speaks to sandbox"));
        }
        check("sandbox", text("sandbox-readable"), None);
        check("sandbox-readable", text("sandbox"), Some("bears only a probe or \"hold\""));
        check("sandbox-blind", text("sandbox"), Some("bears only \"hold\""));
        check("sandbox-blind", text("sandbox-readable"), Some("bears only \"hold\""));
        // The comment alone is as bad: a comment doubled is a post doubled.
        let (post, comment) = text("sandbox-blind").split_once("first_comment").expect("a comment");
        let bold = format!("{post}first_comment{}", comment.replace("\"hold\"", "\"repeat\""));
        check("sandbox-blind", &bold, Some("step first_comment"));
    }

    #[test]
    fn upkeep_is_read_as_strictly() {
        let text = |name| UPKEEP.iter().find(|task| task.0 == name).expect("built in").1;
        let good = text("trim-journals");
        for (from, to, says) in [
            ("0 20 3 * * *", "every day", "six fields"),
            ("keep = \"90d\"", "", "needs keep"),
            ("page = 200", "page = 0", "1 to 10000"),
            ("trim_journals", "trim", "trim"),
        ] {
            let text = good.replacen(from, to, 1);
            let problem = parse_upkeep("trim-journals", &text).expect_err(says).to_string();
            assert!(problem.contains(says), "{problem}");
        }
        let none = text("backup").replacen("copies = 3", "copies = 0", 1);
        let problem = parse_upkeep("backup", &none).expect_err("none is kept").to_string();
        assert!(problem.contains("copies, 1 or more"), "{problem}");
        let hasty = text("prune-media").replacen("7d", "59m", 1);
        let problem = parse_upkeep("prune-media", &hasty).expect_err("too short").to_string();
        assert!(problem.contains("at least 1h"), "{problem}");
    }
}
