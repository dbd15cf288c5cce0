//! People who come back from a platform, and what platforms say to their codes.
//!
//! An input is a choice of platform, two bytes of status, a line with the query that a person comes
//! back with (in it `STATE` stands for one that is good), and the body of the platform's answers.

use fanfare::accounts::{Place, StateFault};
use fanfare::model::{Millis, Timestamp};
use fanfare::platforms::Answer;
use fanfare::platforms::oauth::{Offer, PROVIDERS, Provider, read_identity, read_tokens};

use super::cut::Cut;
use super::faults;
use super::house::{House, Says, block_on};
use super::http::check_answers;

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// See `ALL`.
pub fn run(input: &[u8]) {
    let mut cut = Cut::new(input);
    let provider = &PROVIDERS[usize::from(cut.byte()) % PROVIDERS.len()];
    let status = u16::from_be_bytes([cut.byte(), cut.byte()]) % 600;
    let query = cut.text();
    let body = cut.rest();
    answers(provider, status, body);
    block_on(come_back(provider, status, &query, body));
}

fn answers(provider: &Provider, status: u16, body: &[u8]) {
    let answer = Answer::Heard { status, headers: Vec::new(), body: body.to_vec(), at: AT };
    for offer in [Offer::Code, Offer::Refresh] {
        match read_tokens(provider, offer, &answer) {
            Ok(tokens) => {
                assert!(!tokens.access.expose().is_empty());
                assert!(AT <= tokens.refresh_at && tokens.refresh_at <= tokens.expires_at);
                assert!((200..300).contains(&status), "{status}");
            }
            Err(fault) => faults::check(&fault.into_fault()),
        }
    }
    match read_identity(provider, &answer) {
        Ok(identity) => assert!(!identity.id.is_empty()),
        Err(fault) => faults::check(&fault.into_fault()),
    }
}

async fn come_back(provider: &Provider, status: u16, query: &str, body: &[u8]) {
    let platform = provider.platform;
    let house = House::build(Says { status, body: body.to_vec() }).await;
    let begun =
        house.accounts.begin_oauth(platform, Place::Default, None).await.expect("it is set up");
    let good = begun["state"].as_str().expect("a state").to_owned();
    let read = house.accounts.read_state(platform, query);
    assert!(query == good || read.is_err(), "a state that nobody signed: {query:?}");
    if let Err(fault) = read {
        assert!(fault != StateFault::Expired, "who knows when it was signed: {query:?}");
    }
    // What cannot stand in a request line comes as it would from a browser.
    let query = query.replace("STATE", &good);
    let address: String = query
        .bytes()
        .map(|byte| match byte {
            b'!'..=b'~' if byte != b'#' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let path = format!("/v1/accounts/oauth/{platform}/callback?{address}");
    let asked = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    // Twice: a state is good once.
    let answers = house.say(asked.repeat(2).as_bytes(), Millis(1_000)).await;
    check_answers(&answers, false);
    let told = String::from_utf8_lossy(&answers);
    assert!(!told.contains("token-secret"), "a secret is shown: {told}");
    house.accounts.list(None).expect("the store is sound");
}
