//! The socket in the data folder: one line of JSON asks, one line answers.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::execute::Control;
use super::request::{Answer, Request};

/// Bytes of one request line.
const LINE_BYTES_MAX: u64 = 256 * 1_024;

/// Why a running server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nobody listens: no server runs on this folder.
    #[error("ask the server: none is running on this folder")]
    NoServer,
    /// The exchange broke off.
    #[error("ask the server: {0}")]
    Io(#[from] io::Error),
    /// The answer was not understood.
    #[error("ask the server: its answer was not understood: {0}")]
    Answer(#[from] serde_json::Error),
}

/// Makes the socket at `path`.
///
/// # Errors
/// What the system said.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    // A socket left by a process that was killed; the store's lock says that it is gone.
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers requests on the socket until dropped.
pub async fn listen(listener: UnixListener, control: Arc<Control>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let control = Arc::clone(&control);
                tokio::spawn(async move {
                    if let Err(problem) = serve(stream, &control).await {
                        tracing::info!(%problem, "an operator's connection broke off");
                    }
                });
            }
            Err(problem) => {
                tracing::warn!(%problem, "the control socket could not accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, control: &Control) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(LINE_BYTES_MAX)).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match serde_json::from_str::<Request>(&line) {
            Ok(request) => control.execute(request).await,
            Err(problem) => control.not_understood(&problem.to_string()),
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        write.write_all(text.as_bytes()).await?;
    }
    Ok(())
}

/// Asks the server that listens at `path`.
///
/// # Errors
/// See `SocketError`.
pub async fn ask(path: &Path, request: &Request) -> Result<Answer, SocketError> {
    let mut connection = connect(path).await?;
    exchange(&mut connection, request).await
}

type Connection = (BufReader<tokio::net::unix::OwnedReadHalf>, tokio::net::unix::OwnedWriteHalf);

async fn connect(path: &Path) -> Result<Connection, SocketError> {
    match UnixStream::connect(path).await {
        Ok(stream) => {
            let (read, write) = stream.into_split();
            Ok((BufReader::new(read), write))
        }
        Err(problem)
            if matches!(
                problem.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Err(SocketError::NoServer)
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn exchange(
    (read, write): &mut Connection,
    request: &Request,
) -> Result<Answer, SocketError> {
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await?;
    let mut line = String::new();
    read.read_line(&mut line).await?;
    Ok(serde_json::from_str(&line)?)
}

/// Asks the same again every quarter of a second and hands each answer to `show`, which says what
/// to ask next; ends when it says nothing.
///
/// # Errors
/// See `SocketError`.
pub async fn follow(
    path: &Path,
    mut request: Request,
    mut show: impl FnMut(Answer) -> Option<Request>,
) -> Result<(), SocketError> {
    let mut connection = connect(path).await?;
    let mut pause = tokio::time::interval(std::time::Duration::from_millis(250));
    loop {
        pause.tick().await;
        match show(exchange(&mut connection, &request).await?) {
            Some(next) => request = next,
            None => return Ok(()),
        }
    }
}
