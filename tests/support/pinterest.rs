//! Pinterest, as much of it as boards need: a real HTTP server that behaves as the API v5 is
//! described, counts what it is asked, and goes wrong where a test says so.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::http::{self, Asked};
use super::{Answer, Server};

/// The one person who is there.
pub const WHO: &str = "ida";
const BOARDS: &str = "/v5/boards";

/// What goes wrong with the next request about boards.
#[derive(Debug, Clone, Copy)]
pub enum Mishap {
    /// Nothing is done, and this is answered, with a line of the head.
    Answers(u16, &'static str, &'static str),
    /// It is done, and the connection closes without an answer.
    Loses,
    /// It is done, and there is never an answer.
    Withholds,
}

#[derive(Default)]
struct State {
    boards: Vec<Value>,
    /// How many tokens were handed out: the last access token and the last refresh token are good.
    tokens: u32,
    /// How long the next access token lives, where it is not as long as usual.
    next_life_secs: Option<u32>,
    access_is_good: bool,
    counts: BTreeMap<String, usize>,
    mishaps: VecDeque<Mishap>,
}

/// The server. It stays until the test ends.
pub struct Pinterest {
    pub base: String,
    state: Arc<Mutex<State>>,
}

impl Pinterest {
    /// One whose person has boards of these names, public all of them.
    pub fn open(names: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        let pinterest = Self { base, state };
        for name in names {
            pinterest.add(name);
        }
        pinterest
    }

    /// What makes a server take it for Pinterest.
    pub fn settings(&self) -> Vec<String> {
        let base = &self.base;
        vec![
            "upstream.allow_private=true".to_owned(),
            "oauth.pinterest.client_id=app".to_owned(),
            "oauth.pinterest.client_secret=s3cret".to_owned(),
            format!("oauth.pinterest.authorize_url={base}/oauth/"),
            format!("oauth.pinterest.token_url={base}/v5/oauth/token"),
            format!("oauth.pinterest.identity_url={base}/v5/user_account"),
            format!("oauth.pinterest.api_url={base}"),
        ]
    }

    /// Connects the person's account, as a client does that caught the person itself.
    #[track_caller]
    pub fn connect(&self, server: &Server) -> Answer {
        let begun = server.send("POST", "/v1/accounts/connect/pinterest", &[], b"");
        let descriptor = begun.json()["descriptor"].clone();
        let body = json!({ "code": WHO, "state": descriptor["state"],
            "redirectUri": descriptor["redirectUri"] });
        let path = "/v1/accounts/connect/pinterest/complete";
        server.send("POST", path, &[], body.to_string().as_bytes())
    }

    /// The person makes a board; gives its id.
    pub fn add(&self, name: &str) -> String {
        let board = board(&mut self.state(), name, "PUBLIC");
        board["id"].as_str().expect("an id").to_owned()
    }

    /// The names of all boards.
    pub fn names(&self) -> Vec<String> {
        let name = |board: &Value| board["name"].as_str().expect("a name").to_owned();
        self.state().boards.iter().map(name).collect()
    }

    /// How often something was asked, such as `POST /v5/boards`.
    pub fn count(&self, what: &str) -> usize {
        self.state().counts.get(what).copied().unwrap_or(0)
    }

    /// What goes wrong next, one a request about boards.
    pub fn suffer(&self, mishaps: &[Mishap]) {
        self.state().mishaps.extend(mishaps);
    }

    /// How long the next access token lives, in seconds; those after it live for 30 days.
    pub fn shorten_next(&self, secs: u32) {
        self.state().next_life_secs = Some(secs);
    }

    /// Takes the access token back; the refresh token stays good.
    pub fn forget_access(&self) {
        self.state().access_is_good = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = http::read(&mut reader) {
        let (path, _) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let (mishap, (status, body)) = {
            let mut state = state.lock().expect("no panic");
            *state.counts.entry(format!("{} {path}", asked.method)).or_default() += 1;
            let mishap = if path == BOARDS { state.mishaps.pop_front() } else { None };
            let done = match mishap {
                Some(Mishap::Answers(..)) => (0, Value::Null),
                _ => answer(&mut state, &asked, path),
            };
            (mishap, done)
        };
        let stream = reader.get_mut();
        let written = match mishap {
            Some(Mishap::Answers(status, head, body)) => http::write(stream, status, head, body),
            Some(Mishap::Loses) => return,
            Some(Mishap::Withholds) => {
                // Until the other side is gone.
                let _ = stream.read(&mut [0]);
                return;
            }
            None => {
                let json = "content-type: application/json\r\n";
                http::write(stream, status, json, &body.to_string())
            }
        };
        if !written {
            return;
        }
    }
}

fn answer(state: &mut State, asked: &Asked, path: &str) -> (u16, Value) {
    if path == "/v5/oauth/token" {
        return token(state, asked);
    }
    let good = format!("Bearer access-{}", state.tokens);
    if !state.access_is_good || asked.header("authorization") != good {
        return (401, json!({ "code": 2, "message": "Authentication failed." }));
    }
    match (asked.method.as_str(), path) {
        ("GET", "/v5/user_account") => {
            (200, json!({ "id": "8812345", "username": WHO, "account_type": "BUSINESS" }))
        }
        ("GET", BOARDS) => list(state, &asked.path),
        ("POST", BOARDS) => create(state, &asked.body),
        _ => (404, json!({ "code": 4, "message": "no such operation" })),
    }
}

fn token(state: &mut State, asked: &Asked) -> (u16, Value) {
    let form: BTreeMap<String, String> =
        url::form_urlencoded::parse(&asked.body).into_owned().collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let good = match field("grant_type") {
        "authorization_code" => field("code") == WHO,
        "refresh_token" => field("refresh_token") == format!("refresh-{}", state.tokens),
        _ => false,
    };
    if !good || !asked.header("authorization").starts_with("Basic ") {
        return (401, json!({ "code": 1, "message": "invalid grant or client" }));
    }
    state.tokens += 1;
    state.access_is_good = true;
    let n = state.tokens;
    let life = state.next_life_secs.take().unwrap_or(2_592_000);
    let scope = "boards:read,boards:write,pins:read,pins:write,user_accounts:read";
    let body = json!({ "access_token": format!("access-{n}"), "token_type": "bearer",
        "refresh_token": format!("refresh-{n}"), "expires_in": life,
        "refresh_token_expires_in": 5_184_000, "scope": scope });
    (200, body)
}

fn list(state: &State, url: &str) -> (u16, Value) {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("page_size").unwrap_or(25);
    if !(1..=250).contains(&size) {
        return (400, json!({ "code": 1, "message": "page_size" }));
    }
    let from = match query.get("bookmark").map(|text| text.strip_prefix("from=")) {
        None => 0,
        Some(place) => place.and_then(|text| text.parse().ok()).expect("a bookmark of ours"),
    };
    let page: Vec<&Value> = state.boards.iter().skip(from).take(size).collect();
    let next = from + page.len();
    let bookmark = (next < state.boards.len()).then(|| format!("from={next}"));
    (200, json!({ "items": page, "bookmark": bookmark }))
}

fn create(state: &mut State, body: &[u8]) -> (u16, Value) {
    let asked: Value = serde_json::from_slice(body).expect("JSON");
    let name = asked["name"].as_str().expect("a name");
    let equal = |board: &Value| {
        board["name"].as_str().is_some_and(|other| other.to_lowercase() == name.to_lowercase())
    };
    if state.boards.iter().any(equal) {
        return (400, json!({ "code": 58, "message": "You already have a board with this name." }));
    }
    let mut made = board(state, name, asked["privacy"].as_str().unwrap_or("PUBLIC"));
    made["description"] = asked["description"].clone();
    (201, made)
}

fn board(state: &mut State, name: &str, privacy: &str) -> Value {
    let id = format!("5497558{:05}", state.boards.len());
    let made = json!({ "id": id, "name": name, "privacy": privacy, "pin_count": 0,
        "owner": { "username": WHO } });
    state.boards.push(made.clone());
    made
}
