//! Which test holds what: section 20 of the contract, trap by trap. A trap is held where the part
//! lives; what no other test holds stands in the files beside this one.

/// A trap's number, what goes wrong in it, and the tests that hold it: their file and name. Where
/// there is none, the sentence says why.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Sections 20.1 to 20.3.
const TRAPS: &[Row] = &[
    (
        "T1",
        "equal requests at once publish twice",
        &[("tests/traps/races.rs", "many_equal_requests_at_once_are_one")],
    ),
    (
        "T2",
        "a claim is taken over because it is old",
        &[("tests/exchanges.rs", "a_slow_publish_is_answered_late_and_goes_on")],
    ),
    (
        "T3",
        "a key protects nothing after a day",
        &[("tests/upkeep.rs", "keys_are_forgotten_when_their_time_and_their_batch_are_over")],
    ),
    (
        "T4",
        "a webhook that fails undoes a publish",
        &[("tests/webhooks.rs", "a_receiver_that_was_down_gets_everything_after_a_kill_too")],
    ),
    (
        "T5",
        "an outcome is lost before it is kept",
        &[("tests/torture.rs", "a_crash_at_each_named_point_loses_and_doubles_nothing")],
    ),
    (
        "T6",
        "bookkeeping that fails repeats a publish",
        &[("tests/sim/main.rs", "no_seed_breaks_a_promise")],
    ),
    (
        "T7",
        "a post that may be live is retried",
        &[("tests/contract/posts.rs", "a_retry_wants_an_end_and_force_where_the_post_may_be_live")],
    ),
    (
        "T8",
        "a timeout is taken for \"not sent\"",
        &[("src/upstream/tests.rs", "what_may_have_arrived_is_never_called_unsent")],
    ),
    (
        "T9",
        "equal targets publish twice",
        &[("tests/exchanges.rs", "requests_that_are_not_sound_are_refused_by_name")],
    ),
    ("T10", "not here: two accounts for one person on X, which is no platform here yet", &[]),
    (
        "T11",
        "a slow worker overlaps its successor",
        &[("tests/sim/main.rs", "every_mutant_is_caught")],
    ),
    (
        "T12",
        "scheduling fails after it was stored",
        &[("tests/exchanges.rs", "a_scheduled_post_waits_moves_and_goes_out_or_is_canceled")],
    ),
    (
        "T13",
        "a scheduled post loses what it was given",
        &[("tests/traps/memory.rs", "a_scheduled_post_goes_out_with_all_that_it_was_given")],
    ),
    (
        "T14",
        "retries are promised and never made",
        &[("tests/contract/posts.rs", "a_scheduled_post_is_tried_again_and_its_end_is_told_once")],
    ),
    (
        "T15",
        "a crash strands a post",
        &[("tests/torture.rs", "kills_at_random_moments_lose_and_double_nothing")],
    ),
    (
        "T16",
        "the timer is lost and the post stays",
        &[("tests/traps/memory.rs", "an_overslept_post_goes_out_once_or_fails_in_words")],
    ),
    (
        "T17",
        "an edit is made in halves",
        &[("tests/traps/races.rs", "an_edit_and_the_moment_of_publishing_exclude_each_other")],
    ),
    (
        "T18",
        "a cancel does not look",
        &[("tests/traps/races.rs", "a_cancel_and_the_moment_of_publishing_exclude_each_other")],
    ),
    (
        "T19",
        "half a batch is stored",
        &[("tests/traps/memory.rs", "a_batch_that_the_disk_refuses_is_there_whole_or_not_at_all")],
    ),
    (
        "T20",
        "a removed account takes its posts along in silence",
        &[
            ("tests/traps/memory.rs", "every_end_is_told_and_once"),
            ("tests/removal.rs", "no_crash_leaves_a_removal_half_done"),
        ],
    ),
    (
        "T21",
        "content drifts until it goes out; here only what stands behind a URL can",
        &[("tests/admission/main.rs", "a_refusal_tells_its_rule_and_that_nothing_was_sent")],
    ),
    (
        "T22",
        "upkeep deletes history",
        &[("tests/upkeep.rs", "old_journals_are_trimmed_and_the_posts_stay")],
    ),
    (
        "T23",
        "a reconnect resets the default board",
        &[(
            "tests/contract/boards.rs",
            "a_default_board_stays_when_the_account_is_connected_again",
        )],
    ),
    ("T24", "events are lost or doubled", &[("tests/sim/main.rs", "no_seed_breaks_a_promise")]),
    ("T25", "an end is never told", &[("tests/traps/memory.rs", "every_end_is_told_and_once")]),
    (
        "T26",
        "one error ends the polling (TikTok is no platform here yet)",
        &[("src/machine/tests/publish.rs", "polling_keeps_what_it_learned")],
    ),
    (
        "T27",
        "a batch cannot be read back",
        &[("tests/clients/make.rs", "the_id_that_publishing_gives_can_be_read_back")],
    ),
    (
        "T28",
        "a wrong id is a 500",
        &[("tests/contract/access.rs", "an_id_that_is_none_is_not_found")],
    ),
    (
        "T29",
        "content is dropped in silence",
        &[
            ("src/wire/tests/requests.rs", "what_would_go_out_at_once_by_a_slip_is_refused"),
            ("src/wire/tests/requests.rs", "unknown_members_are_remarked_on_where_they_stand"),
        ],
    ),
    (
        "T30",
        "a failure is replayed and nobody says so",
        &[("tests/contract/keys.rs", "a_batch_that_failed_is_kept_and_says_how_to_try_again")],
    ),
    (
        "T31",
        "a replay has other bytes",
        &[("tests/contract/keys.rs", "every_change_is_made_once_for_its_key")],
    ),
    (
        "T32",
        "a cursor skips rows",
        &[("tests/admission/reads.rs", "pages_are_whole_in_order_and_end")],
    ),
    (
        "T33",
        "keys may do too little or too much",
        &[
            ("tests/contract/access.rs", "a_scope_opens_its_routes_and_no_other"),
            ("tests/contract/trial.rs", "a_scheduled_trial_stays_one_whoever_changes_it"),
        ],
    ),
    (
        "T34",
        "the accounts routes know neither keys nor limits",
        &[
            ("tests/contract/keys.rs", "every_change_is_made_once_for_its_key"),
            ("tests/traps/races.rs", "a_claimed_address_escapes_no_limit"),
        ],
    ),
    (
        "T35",
        "each process counts for itself; here there is one, and a restart begins a new window",
        &[("tests/torture.rs", "a_stop_drains_and_the_folder_has_one_holder")],
    ),
    (
        "T36",
        "secrets are kept as they are",
        &[
            ("tests/traps/memory.rs", "what_was_shown_once_is_nowhere_kept"),
            ("tests/webhooks.rs", "a_replaced_secret_goes_on_signing_beside_its_successor"),
        ],
    ),
    (
        "T37",
        "a stop cuts publishes off",
        &[("tests/torture.rs", "a_stop_drains_and_the_folder_has_one_holder")],
    ),
    ("T38", "not here: a cap on X that can be overrun; X is no platform here yet", &[]),
    (
        "T39",
        "two renewals of one session strand the account",
        &[("tests/pds/main.rs", "attempts_that_overlap_renew_a_session_once")],
    ),
    (
        "T40",
        "an OAuth state is used twice",
        &[
            ("tests/oauth/main.rs", "a_state_is_good_for_one_connect"),
            ("tests/oauth/main.rs", "a_client_completes_with_the_right_proof_and_once"),
        ],
    ),
    (
        "T41",
        "a webhook reaches into the house",
        &[
            ("tests/traps/memory.rs", "metadata_addresses_stay_closed_whatever_is_allowed"),
            ("tests/webhooks.rs", "what_must_not_be_reached_is_not_and_says_which_switch_opens_it"),
        ],
    ),
    ("T42", "not here: a quota that is charged early; there is no quota", &[]),
    (
        "T43",
        "an upload that is too large is read whole and left behind, a repeated one kept twice",
        &[
            ("src/front/upload/tests.rs", "reading_stops_at_the_first_byte_too_many"),
            (
                "src/front/upload/tests.rs",
                "every_form_that_does_not_hold_is_refused_and_leaves_nothing",
            ),
            ("tests/media.rs", "an_equal_upload_under_its_key_is_one_upload"),
        ],
    ),
];

/// Section 20.4: what must be true in all.
const PROPERTIES: &[Row] = &[
    (
        "1",
        "killed at any instruction, each target ends once",
        &[
            ("tests/torture.rs", "kills_at_random_moments_lose_and_double_nothing"),
            ("tests/sim/main.rs", "no_seed_breaks_a_promise"),
        ],
    ),
    (
        "2",
        "equal requests at once are one batch",
        &[
            ("tests/traps/races.rs", "many_equal_requests_at_once_are_one"),
            ("tests/torture.rs", "concurrent_pairs_of_one_request_are_one_post_each"),
        ],
    ),
    (
        "3",
        "killed before the answer leaves, the retry gets the same bytes",
        &[
            ("tests/torture.rs", "a_crash_at_each_named_point_loses_and_doubles_nothing"),
            ("tests/clients/sdk.rs", "a_lost_answer_is_made_good_by_its_own_retry"),
        ],
    ),
    (
        "4",
        "cancel, edit and publish exclude each other",
        &[
            ("tests/traps/races.rs", "a_cancel_and_the_moment_of_publishing_exclude_each_other"),
            ("tests/traps/races.rs", "an_edit_and_the_moment_of_publishing_exclude_each_other"),
        ],
    ),
    (
        "5",
        "after a downtime or a jump of the clock, once or in words",
        &[
            ("tests/traps/memory.rs", "an_overslept_post_goes_out_once_or_fails_in_words"),
            ("tests/sim/main.rs", "no_seed_breaks_a_promise"),
        ],
    ),
    (
        "6",
        "a receiver that was down hears everything, under the same ids",
        &[("tests/webhooks.rs", "a_receiver_that_was_down_gets_everything_after_a_kill_too")],
    ),
    (
        "7",
        "a store that fails within a batch keeps none of it",
        &[("tests/traps/memory.rs", "a_batch_that_the_disk_refuses_is_there_whole_or_not_at_all")],
    ),
];

#[test]
fn every_trap_has_a_test_or_a_reason() {
    let numbers: Vec<String> = TRAPS.iter().map(|row| row.0.to_owned()).collect();
    let all: Vec<String> = (1..=43).map(|n| format!("T{n}")).collect();
    assert_eq!(numbers, all);
    for (number, what, tests) in TRAPS.iter().chain(PROPERTIES) {
        assert_eq!(tests.is_empty(), what.starts_with("not here: "), "{number}");
        for (file, test) in *tests {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let source = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{file}: {e}"));
            assert!(source.contains(&format!("fn {test}() {{")), "{number}: no {test} in {file}");
        }
    }
}
