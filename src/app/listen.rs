//! `fanfare webhooks listen`: a webhook endpoint that prints what it hears.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;

use super::{AppError, clocks, listen, say};
use crate::cli::ListenOptions;
use crate::front::{Delivery, Limits, Server, Words, listening};
use crate::model::{Millis, Secret};
use crate::webhooks::signed;
use crate::wire::{self, Links};

/// Connections at once: one server delivers with at most 64.
const CONNECTIONS_MAX: usize = 256;

/// Listens until it is told to stop.
pub fn listen_for_webhooks(options: ListenOptions) -> ExitCode {
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "fanfare: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: ListenOptions) -> Result<(), AppError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = listen(options.address)?;
        let base = format!("http://{}", listener.local_addr()?);
        say(&format!("listening on {base}"));
        let secret = options.secret;
        let heard = move |delivery: Delivery| print(&delivery, secret.as_ref());
        let wait = Millis::from_secs(60);
        let limits = Limits {
            connections_max: CONNECTIONS_MAX,
            header_timeout: wait,
            idle_timeout: wait,
            drain_timeout: Millis(0),
        };
        let clocks = clocks();
        let words = Arc::new(Words {
            links: Links { base },
            now: clocks.now,
            dice: clocks.dice,
            ceiling: 0,
            envelope: wire::error_body,
            origins: Vec::new(),
        });
        let service = listening(Arc::clone(&words), options.answer, Arc::new(heard));
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(Server { listener, limits, words, service }.run(stopping));
        tokio::signal::ctrl_c().await?;
        stop.send_replace(true);
        let _ = serving.await;
        Ok(())
    })
}

fn print(delivery: &Delivery, secret: Option<&Secret>) {
    let signed = match secret {
        None => "",
        Some(secret) if signed(secret, &delivery.body, &delivery.signature) => " (signed)",
        Some(_) => " (WRONG SIGNATURE)",
    };
    say(&format!("{}{signed} {}", delivery.kind, String::from_utf8_lossy(&delivery.body)));
}
