//! The thin shell around the core: a thread that sleeps, runs turns and lets out what they
//! released. Clocks and dice come in here and go no further.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::core::{Core, Moment, Release};
use super::handle::{Handle, Input, Mailbox};
use super::interface::{Call, Report};
use crate::model::{Cursor, Dice, Millis, Now};
use crate::store::StoreError;

/// No sleep is longer, so that a suspended machine or a stepped clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// Inputs of one turn: as many as the mailbox holds.
const TURN_INPUTS: usize = 4_096;

/// Carries out one attempt. Given by the wiring, so that the engine knows no platform.
pub type Carry = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Report> + Send>> + Send + Sync>;

/// Where the shell takes time and chance from.
#[derive(Clone)]
pub struct Clocks {
    /// The wall clock.
    pub now: Now,
    /// Chance.
    pub dice: Dice,
    /// When the process began.
    pub started: Instant,
}

impl Clocks {
    /// This instant by both clocks, with fresh randomness.
    pub fn moment(&self) -> Moment {
        let uptime = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment { at: (self.now)(), uptime: Millis(uptime), entropy: (self.dice)() }
    }
}

/// Starts the engine's thread. It ends when drained, or with the error the store gave: then the
/// process must stop.
pub fn spawn(
    core: Core,
    mailbox: Mailbox,
    handle: Handle,
    carry: Carry,
    clocks: Clocks,
    runtime: tokio::runtime::Handle,
) -> std::io::Result<std::thread::JoinHandle<Result<(), StoreError>>> {
    // A thread of its own: a turn waits for the disk.
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || runtime.block_on(drive(core, mailbox, handle, carry, clocks)))
}

/// Runs turns until the core is drained, nobody can ask any more, or the store refuses. Attempts
/// are carried out on the runtime that this is awaited on.
///
/// # Errors
/// What the store said.
pub async fn drive(
    core: Core,
    mailbox: Mailbox,
    handle: Handle,
    carry: Carry,
    clocks: Clocks,
) -> Result<(), StoreError> {
    Shell { core, mailbox, handle, carry, clocks, turn: 0 }.run().await
}

struct Shell {
    core: Core,
    mailbox: Mailbox,
    handle: Handle,
    carry: Carry,
    clocks: Clocks,
    turn: u64,
}

impl Shell {
    async fn run(mut self) -> Result<(), StoreError> {
        let mut inputs = Vec::with_capacity(64);
        while self.receive(&mut inputs).await {
            self.turn += 1;
            self.mailbox.visible.store(self.turn, Ordering::Release);
            let releases = self.core.turn(self.clocks.moment(), inputs.drain(..))?;
            self.mailbox.durable.send_replace(self.turn);
            let newest = self.core.newest_notice();
            self.mailbox.noticed.send_if_modified(|known| {
                let fresh = *known != newest;
                *known = newest;
                fresh
            });
            for release in releases {
                match release {
                    Release::Tell(tell) => tell(),
                    Release::Call(call) => self.carry_out(call),
                }
            }
            if self.core.is_drained() {
                break;
            }
        }
        Ok(())
    }

    /// Sleeps until inputs arrive or a timer is due. False when nobody can send any more.
    async fn receive(&mut self, inputs: &mut Vec<Input>) -> bool {
        let idle = self.core.idle_for((self.clocks.now)());
        let wait = idle.map_or(LONGEST_SLEEP, |span| span.as_duration().min(LONGEST_SLEEP));
        let receiving = self.mailbox.inputs.recv_many(inputs, TURN_INPUTS);
        match tokio::time::timeout(wait, receiving).await {
            Ok(count) => count > 0,
            Err(_) => true,
        }
    }

    fn carry_out(&self, call: Call) {
        let batch = call.batch.id;
        let ix = call.ix;
        let attempt = call.batch.target(ix).and_then(|target| match target.cursor {
            Cursor::Running(attempt) => Some(attempt),
            _ => None,
        });
        let Some(attempt) = attempt else {
            tracing::error!(batch.id = %batch, "a released call has no attempt under way");
            return;
        };
        let work = (self.carry)(call);
        let handle = self.handle.clone();
        tokio::spawn(async move {
            let report = work.await;
            handle.report(batch, ix, attempt.number, attempt.epoch, report).await;
        });
    }
}
