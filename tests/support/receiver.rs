//! A webhook endpoint of our own, on a real socket: it keeps what it hears, and answers as told.

use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::http::{self, Asked};

/// One delivery as it was heard.
#[derive(Debug, Clone)]
pub struct Heard {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Heard {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).expect("an event is JSON")
    }

    pub fn kind(&self) -> String {
        self.event()["type"].as_str().expect("a type").to_owned()
    }

    pub fn id(&self) -> String {
        self.event()["id"].as_str().expect("an id").to_owned()
    }
}

/// What the receiver answers to the nth delivery of a path: a status, or 0 for never.
type Answers = Arc<dyn Fn(&str, usize) -> u16 + Send + Sync>;

/// The endpoint.
pub struct Receiver {
    pub base: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Receiver {
    /// One that answers 204 to everything.
    pub fn open() -> Self {
        Self::answering(|_, _| 204)
    }

    pub fn answering(answers: impl Fn(&str, usize) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::on(listener, answers)
    }

    /// One on a port that was chosen before.
    pub fn on(
        listener: TcpListener,
        answers: impl Fn(&str, usize) -> u16 + Send + Sync + 'static,
    ) -> Self {
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (kept, answers): (_, Answers) = (Arc::clone(&heard), Arc::new(answers));
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().flatten() {
                let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
                // A stream that is never answered is kept open, so that the other side waits.
                if let Ok(copy) = stream.try_clone() {
                    silent.push(copy);
                }
                std::thread::spawn(move || serve(stream, &kept, &answers));
            }
        });
        Self { base, heard }
    }

    /// Everything heard so far, in the order it came.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }

    /// What was heard on one path.
    pub fn on_path(&self, path: &str) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.path == path).collect()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Heard>>, answers: &Answers) {
    let mut reader = BufReader::new(stream);
    while let Some(Asked { path, headers, body, .. }) = http::read(&mut reader) {
        let heard = Heard { path: path.clone(), headers, body };
        let nth = {
            let mut kept = kept.lock().expect("no panic");
            let nth = kept.iter().filter(|other| other.path == path).count();
            kept.push(heard);
            nth
        };
        let status = answers(&path, nth);
        if status == 0 {
            return;
        }
        let body = if status < 300 { "" } else { "oops" };
        if !http::write(reader.get_mut(), status, "", body) {
            return;
        }
    }
}
