//! A wire between the server and the host that can be listened to, and cut at the worst moment.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};

const PUT_RECORD: &str = "com.atproto.repo.putRecord";

/// A proxy on loopback; gone with the process.
pub struct Proxy {
    pub base: String,
    wire: Arc<Wire>,
    heard: Receiver<()>,
}

struct Wire {
    host: String,
    /// The methods called, in order.
    calls: Mutex<Vec<String>>,
    called: Condvar,
    /// How many calls of `putRecord` must have come before any goes on.
    puts_together: AtomicUsize,
    /// Whether the answer to the next `putRecord` is kept from the server.
    armed: AtomicBool,
    hear: Mutex<Sender<()>>,
}

impl Proxy {
    /// A proxy in front of `host`, an address such as `http://localhost:1234`.
    pub fn start(host: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (hear, heard) = channel();
        let wire = Arc::new(Wire {
            host: host.strip_prefix("http://").expect("plain HTTP").to_owned(),
            calls: Mutex::default(),
            called: Condvar::new(),
            puts_together: AtomicUsize::new(0),
            armed: AtomicBool::new(false),
            hear: Mutex::new(hear),
        });
        let shared = Arc::clone(&wire);
        std::thread::spawn(move || {
            for server in listener.incoming().map_while(Result::ok) {
                let wire = Arc::clone(&shared);
                std::thread::spawn(move || wire.carry(server));
            }
        });
        Self { base, wire, heard }
    }

    /// From here on the answer to a `putRecord` is kept from the server.
    pub fn arm(&self) {
        self.wire.armed.store(true, Ordering::SeqCst);
    }

    /// Waits until the host has answered a `putRecord`, and the server has not heard it.
    pub fn kept_an_answer(&self) {
        let waited = self.heard.recv_timeout(crate::support::PATIENCE);
        waited.expect("the host answers a putRecord");
        self.wire.armed.store(false, Ordering::SeqCst);
    }

    /// From here on calls of `putRecord` wait for each other, and go on when so many have come: all
    /// were made before any was answered.
    pub fn gather_puts(&self, puts: usize) {
        self.wire.calls.lock().expect("not poisoned").clear();
        self.wire.puts_together.store(puts, Ordering::SeqCst);
    }

    /// The methods called since this was asked last.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.wire.calls.lock().expect("not poisoned"))
    }
}

impl Wire {
    /// Both directions of one connection, until either side closes it.
    fn carry(self: Arc<Self>, server: TcpStream) {
        let Ok(host) = TcpStream::connect(&self.host) else { return };
        let cut = Arc::new(AtomicBool::new(false));
        let (from, to) = (clone(&server), clone(&host));
        let (wire, cutting) = (Arc::clone(&self), Arc::clone(&cut));
        let asking = std::thread::spawn(move || wire.ask(from, to, &cutting));
        self.answer(host, server, &cut);
        let _ = asking.join();
    }

    fn ask(&self, mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            if let Some(method) = method(&chunk[..read]) {
                if method == PUT_RECORD && self.armed.load(Ordering::SeqCst) {
                    cut.store(true, Ordering::SeqCst);
                }
                self.note(method);
            }
            if to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    /// Keeps the method of a call, and the call itself while it is to wait for others.
    fn note(&self, method: String) {
        let gathers = method == PUT_RECORD;
        let mut calls = self.calls.lock().expect("not poisoned");
        calls.push(method);
        self.called.notify_all();
        if gathers {
            let puts = self.puts_together.load(Ordering::SeqCst);
            let few = |calls: &mut Vec<String>| {
                calls.iter().filter(|call| call.as_str() == PUT_RECORD).count() < puts
            };
            let waited = self.called.wait_timeout_while(calls, crate::support::PATIENCE, few);
            drop(waited.expect("not poisoned"));
        }
    }

    fn answer(&self, mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            // A refusal is passed on: it says that nothing happened.
            if cut.swap(false, Ordering::SeqCst) && chunk.starts_with(b"HTTP/1.1 200 ") {
                // The connection stays open: the server goes on waiting, as on a slow network.
                let _ = self.hear.lock().expect("not poisoned").send(());
                while let Ok(1..) = from.read(&mut chunk) {}
                return;
            }
            if to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a socket has room for a second handle")
}

/// The method that a request line at the start of these bytes calls.
fn method(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let path = line.strip_suffix(" HTTP/1.1")?.split_once(" /xrpc/")?.1;
    Some(path.split('?').next().unwrap_or(path).to_owned())
}
