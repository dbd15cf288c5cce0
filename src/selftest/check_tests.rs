//! Each checker is content with a sound run, and finds what was planted in it.

use serde_json::json;

use super::*;

fn target(class: Class, faults: &'static [&'static str]) -> Target {
    Target { class, faults }
}

fn sent(key: &str, targets: &[Target]) -> Sent {
    let results: Vec<_> =
        (0..targets.len()).map(|n| json!({ "postId": format!("post_{key}_{n}") })).collect();
    let answer = json!({ "id": format!("batch_{key}"), "results": results }).to_string();
    let order = Order {
        key: key.to_owned(),
        targets: targets.to_vec(),
        scheduled: false,
        body: Vec::new(),
    };
    let answer = answer.into_bytes();
    Sent { order, accepted: vec![answer.clone()], refused: false, replay: Some(answer) }
}

fn post(key: &str, place: usize, status: &str, rule: &str) -> Post {
    Post {
        id: format!("post_{key}_{place}"),
        batch: format!("batch_{key}"),
        text: format!("{key} {place}"),
        status: status.to_owned(),
        rule: rule.to_owned(),
        why: String::new(),
    }
}

/// A run with something of everything, in which all holds.
fn sound() -> Evidence {
    let unknown = "sandbox.publish.outcome_unknown";
    let mut unanswered = sent("c", &[target(Class::Keyed, &["timeout_after_send"])]);
    unanswered.accepted.clear();
    let mut refused = sent("d", &[target(Class::Keyed, &[])]);
    (refused.accepted, refused.replay, refused.refused) = (Vec::new(), None, true);
    let kinds = [
        target(Class::Keyed, &[]),
        target(Class::Readable, &["rejected"]),
        target(Class::Blind, &["timeout_after_send"]),
        target(Class::Blind, &["unavailable"]),
    ];
    let ids = ["post_a_0", "post_a_1", "post_a_2", "post_a_3", "post_c_0"];
    Evidence {
        sent: vec![sent("a", &kinds), unanswered, refused],
        posts: vec![
            post("a", 0, "published", ""),
            post("a", 1, "rejected", "sandbox.rejected"),
            post("a", 2, "failed", unknown),
            post("a", 3, "failed", unknown),
            post("c", 0, "published", ""),
        ],
        settled: ids.map(str::to_owned).to_vec(),
        landed: ["post_a_0", "post_a_2", "post_c_0"].map(str::to_owned).to_vec(),
        clock_was_wrong: false,
    }
}

/// The findings once something was planted.
fn planted(plant: impl FnOnce(&mut Evidence)) -> Vec<Finding> {
    let mut evidence = sound();
    plant(&mut evidence);
    all(&evidence)
}

#[track_caller]
fn lost(plant: impl FnOnce(&mut Evidence)) {
    let found = planted(plant);
    assert!(found.iter().any(|one| matches!(one, Finding::Lost(_))), "{found:?}");
}

#[track_caller]
fn doubled(plant: impl FnOnce(&mut Evidence)) {
    let found = planted(plant);
    assert!(matches!(found[..], [Finding::Doubled(_)]), "{found:?}");
}

#[track_caller]
fn wrong(plant: impl FnOnce(&mut Evidence)) {
    let found = planted(plant);
    assert!(matches!(found[..], [Finding::Wrong(_)]), "{found:?}");
}

#[test]
fn a_sound_run_has_no_findings() {
    assert_eq!(all(&sound()), []);
}

#[test]
fn a_loss_is_found() {
    // An accepted post that is not there; a batch that is not; a target that the answer forgot.
    lost(|it| drop(it.posts.remove(0)));
    lost(|it| it.posts.retain(|post| post.batch != "batch_a"));
    lost(|it| it.sent[0].order.targets.push(target(Class::Keyed, &[])));
    // Half a batch of which nobody was told.
    lost(|it| it.sent[1].order.targets.push(target(Class::Keyed, &[])));
    // What never settles, or settles and is not told of.
    lost(|it| it.posts[0].status = "publishing".to_owned());
    lost(|it| it.posts[4].status = "queued".to_owned());
    lost(|it| drop(it.settled.pop()));
    // What is said to be live and is not.
    lost(|it| drop(it.landed.remove(0)));
}

#[test]
fn a_double_is_found() {
    doubled(|it| it.landed.push("post_a_0".to_owned()));
    doubled(|it| it.landed.push("post_a_2".to_owned()));
    doubled(|it| it.settled.push("post_a_1".to_owned()));
    doubled(|it| {
        let again = Post { id: "post_x".into(), batch: "batch_x".into(), ..it.posts[4].clone() };
        it.posts.push(again);
        it.settled.push("post_x".to_owned());
        it.landed.push("post_x".to_owned());
    });
}

#[test]
fn a_replay_that_is_another_batch_is_found() {
    doubled(|it| {
        let other = json!({ "id": "batch_y", "results": [{ "postId": "post_y" }] });
        it.sent[1].replay = Some(other.to_string().into_bytes());
    });
}

#[test]
fn unequal_bytes_are_found() {
    wrong(|it| it.sent[0].replay = Some(b"{}".to_vec()));
    wrong(|it| {
        let mut other = it.sent[0].accepted[0].clone();
        other.push(b' ');
        it.sent[0].accepted.push(other);
    });
}

#[test]
fn what_nobody_asked_for_is_found() {
    wrong(|it| it.landed.push("post_z".to_owned()));
    wrong(|it| {
        it.posts.push(post("z", 0, "published", ""));
        it.settled.push("post_z_0".to_owned());
        it.landed.push("post_z_0".to_owned());
    });
    wrong(|it| it.sent[1].refused = true);
}

#[test]
fn an_end_that_no_fault_explains_is_found() {
    // Held, where a key or a read-back would have told.
    let held = |post: &mut Post| {
        (post.status, post.rule) = ("failed".into(), "sandbox.publish.outcome_unknown".into());
    };
    wrong(|it| held(&mut it.posts[4]));
    wrong(|it| held(&mut it.posts[1]));
    // A refusal that was not asked for, or that landed all the same.
    wrong(|it| it.posts[3].rule = "sandbox.rejected".to_owned());
    wrong(|it| it.landed.push("post_a_1".to_owned()));
    wrong(|it| it.posts[2].rule = "internal".to_owned());
    wrong(|it| it.posts[0].status = "canceled".to_owned());
}

#[test]
fn a_wrong_clock_lets_a_readable_target_be_held_that_says_so_and_nothing_else() {
    let held = |it: &mut Evidence, place: usize, why: &str| {
        it.clock_was_wrong = true;
        let post = &mut it.posts[place];
        (post.status, post.why) = ("failed".into(), why.into());
        post.rule = "sandbox.publish.outcome_unknown".into();
    };
    for why in ["restarted or its clock was wrong nobody", "it shows only its newest 1000"] {
        assert_eq!(planted(|it| held(it, 1, why)), []);
        wrong(|it| {
            held(it, 1, why);
            it.clock_was_wrong = false;
        });
        // A key needs no clock.
        wrong(|it| held(it, 4, why));
        doubled(|it| {
            held(it, 1, why);
            it.landed.extend(["post_a_1", "post_a_1"].map(str::to_owned));
        });
    }
    wrong(|it| held(it, 1, "no answer was heard"));
}
