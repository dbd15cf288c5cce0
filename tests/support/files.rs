//! A web server of files, on a real socket: it counts how often each is asked for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// Status, more lines of the head, and body: what the nth request for a path is answered with.
type Answers = Arc<dyn Fn(&str, usize) -> (u16, String, Vec<u8>) + Send + Sync>;

/// The server.
pub struct Files {
    pub base: String,
    asked: Arc<Mutex<Vec<String>>>,
    open: Sender<()>,
}

impl Files {
    /// One whose answers are held back until `open` is called, once for each.
    pub fn closed(answers: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let answers: Answers = Arc::new(move |path, nth| (200, String::new(), answers(path, nth)));
        let (open, gate) = channel();
        Self::serve(answers, open, Some(gate))
    }

    pub fn answering(
        answers: impl Fn(&str, usize) -> (u16, String, Vec<u8>) + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(answers), channel().0, None)
    }

    fn serve(answers: Answers, open: Sender<()>, gate: Option<Receiver<()>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&asked);
        let gate = Arc::new(gate.map(Mutex::new));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answers, gate) =
                    (Arc::clone(&kept), Arc::clone(&answers), Arc::clone(&gate));
                std::thread::spawn(move || {
                    let Some((mut stream, path, nth)) = hear(stream, &kept) else { return };
                    if let Some(gate) = &*gate
                        && gate.lock().expect("no panic").recv().is_err()
                    {
                        return;
                    }
                    let (status, head, body) = answers(&path, nth);
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} X\r\n{head}connection: close\r\n\
                         content-length: {length}\r\n\r\n"
                    );
                    let _ = stream.write_all(head.as_bytes());
                    let _ = stream.write_all(&body);
                });
            }
        });
        Self { base, asked, open }
    }

    /// Lets one answer go.
    pub fn open(&self) {
        self.open.send(()).expect("it serves");
    }

    /// How often a path was asked for.
    pub fn count(&self, path: &str) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|one| *one == path).count()
    }
}

fn hear(stream: TcpStream, asked: &Mutex<Vec<String>>) -> Option<(TcpStream, String, usize)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    while reader.read_line(&mut line).ok()? > 2 {}
    let mut asked = asked.lock().expect("no panic");
    let nth = asked.iter().filter(|one| **one == path).count();
    asked.push(path.clone());
    Some((reader.into_inner(), path, nth))
}
