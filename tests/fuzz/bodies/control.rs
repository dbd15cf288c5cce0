//! The operator's socket: lines as they come, carried out by the whole house.
//!
//! An input is lines of requests.

use fanfare::control::{Answer, Request};
use serde_json::Value;

use super::faults;
use super::house::{House, Says, block_on};

/// Lines of one input: each is a turn of the house.
const LINES_MAX: usize = 6;

/// See `ALL`.
pub fn run(input: &[u8]) {
    let lines = input.split(|byte| *byte == b'\n').take(LINES_MAX);
    let mut requests = Vec::new();
    for line in lines {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        if let Ok(request) = serde_json::from_str::<Request>(text) {
            let again = serde_json::to_string(&request).expect("a request is JSON");
            assert_eq!(serde_json::from_str::<Request>(&again).ok(), Some(request.clone()));
            requests.push(request);
        }
    }
    if !requests.is_empty() {
        block_on(carry_out(requests));
    }
}

async fn carry_out(requests: Vec<Request>) {
    let house = House::build(Says::yes()).await;
    for request in requests {
        let shown = format!("{request:?}");
        match house.control.execute(request).await {
            Answer::Done(value) => assert_ne!(value, Value::Null, "{shown}"),
            Answer::Failed(error) => {
                faults::check_error(&error);
                assert_ne!(error["code"], "internal_error", "{shown}: {error}");
            }
        }
    }
    faults_in(&house).await;
}

/// Whatever was asked, the store is sound.
async fn faults_in(house: &House) {
    match house.control.execute(Request::JournalVerify).await {
        Answer::Done(report) => {
            let sound = report["findings"].as_array().is_some_and(Vec::is_empty);
            assert!(sound, "{report}");
        }
        Answer::Failed(error) => panic!("{error}"),
    }
}
