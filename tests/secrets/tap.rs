//! A wire between the server and a platform that keeps what goes over it: the tokens that only the
//! two of them know.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Members of an answer that are secret.
const TOKENS: [&str; 4] = ["accessJwt", "refreshJwt", "access_token", "refresh_token"];

/// A tap on loopback; gone with the process.
pub struct Tap {
    pub base: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// A tap on the wire to `host`, an address such as `http://localhost:1234`.
    pub fn on(host: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let host = host.strip_prefix("http://").expect("plain HTTP").to_owned();
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let shared = Arc::clone(&heard);
        std::thread::spawn(move || {
            for server in listener.incoming().map_while(Result::ok) {
                let Ok(host) = TcpStream::connect(&host) else { continue };
                let asks = (again(&server), again(&host), Arc::default());
                std::thread::spawn(move || carry(asks));
                let answers = (host, server, Arc::clone(&shared));
                std::thread::spawn(move || carry(answers));
            }
        });
        Self { base, heard }
    }

    /// Every token that went over it.
    pub fn tokens(&self) -> Vec<String> {
        let heard = String::from_utf8_lossy(&self.heard.lock().expect("sound")).into_owned();
        let after = |name: &str| {
            let start = format!("\"{name}\":\"");
            let parts: Vec<String> = heard.split(&start).skip(1).map(str::to_owned).collect();
            parts.into_iter().filter_map(|part| part.split('"').next().map(str::to_owned))
        };
        TOKENS.into_iter().flat_map(after).collect()
    }
}

/// One direction, until its side closes; keeps what it carries.
fn carry((mut from, mut to, heard): (TcpStream, TcpStream, Arc<Mutex<Vec<u8>>>)) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        heard.lock().expect("sound").extend_from_slice(&chunk[..read]);
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn again(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a socket has room for a second handle")
}
