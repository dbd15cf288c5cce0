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
/// Inputs of one turn, at most: as many as the mailbox holds.
const TURN_INPUTS_MAX: usize = 4_096;
/// Inputs of one turn, at least, if there are so many.
const TURN_INPUTS_MIN: usize = 32;
/// A turn need not decide for longer than this many times what it takes to make it durable.
const DECIDE_PER_FLUSH: u32 = 4;

/// The store tidies up in steps for so many bytes of commits: less than a millisecond.
const TIDY_BYTES: usize = 32 << 10;
/// The store may be so many bytes of commits behind while inputs wait.
const UNTIDY_BYTES_MAX: usize = 256 << 10;

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
    let inputs_max = TURN_INPUTS_MAX;
    Shell { core, mailbox, handle, carry, clocks, turn: 0, inputs_max }.run().await
}

struct Shell {
    core: Core,
    mailbox: Mailbox,
    handle: Handle,
    carry: Carry,
    clocks: Clocks,
    turn: u64,
    /// Inputs that the next turn may take.
    inputs_max: usize,
}

impl Shell {
    async fn run(mut self) -> Result<(), StoreError> {
        let mut inputs = Vec::with_capacity(64);
        while self.receive(&mut inputs).await {
            self.turn += 1;
            self.mailbox.visible.store(self.turn, Ordering::Release);
            let releases = self.take_turn(&mut inputs)?;
            self.mailbox.durable.send_replace(self.turn);
            self.let_out(releases);
            let newest = self.core.newest_notice();
            self.mailbox.noticed.send_if_modified(|known| {
                let fresh = *known != newest;
                *known = newest;
                fresh
            });
            if self.core.is_drained() {
                break;
            }
            self.tidy()?;
        }
        Ok(())
    }

    /// Tidies up while nobody waits for a turn; while somebody does, no more than must be.
    fn tidy(&self) -> Result<(), StoreError> {
        loop {
            let left = self.core.tidy(TIDY_BYTES)?;
            let patient = left < UNTIDY_BYTES_MAX;
            if left == 0 || patient && !self.mailbox.inputs.is_empty() {
                return Ok(());
            }
        }
    }

    /// Runs one turn, and sees how many inputs the next one may take. Clients that were all
    /// answered at once all ask again at once: with all of them in one turn, the door would wait
    /// for the engine, and then the engine for the door. So a turn takes only as many as make the
    /// flush a small part of it, and while it runs the door serves the others.
    fn take_turn(&mut self, inputs: &mut Vec<Input>) -> Result<Vec<Release>, StoreError> {
        let count = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
        let began = self.clocks.started.elapsed();
        self.core.decide(self.clocks.moment(), inputs.drain(..))?;
        let decided = self.clocks.started.elapsed();
        let releases = self.core.settle()?;
        let done = self.clocks.started.elapsed();
        self.inputs_max = inputs_worth(count, decided - began, done - decided);
        Ok(releases)
    }

    /// Sleeps until inputs arrive or a timer is due. False when nobody can send any more.
    async fn receive(&mut self, inputs: &mut Vec<Input>) -> bool {
        let idle = self.core.idle_for((self.clocks.now)());
        let wait = idle.map_or(LONGEST_SLEEP, |span| span.as_duration().min(LONGEST_SLEEP));
        let receiving = self.mailbox.inputs.recv_many(inputs, self.inputs_max);
        match tokio::time::timeout(wait, receiving).await {
            Ok(count) => count > 0,
            Err(_) => true,
        }
    }

    /// Lets out what a turn released. Each release wakes a task, and from this thread, which is
    /// none of the runtime's, to wake one asks the system: so where there are several, one task
    /// wakes the others.
    fn let_out(&self, releases: Vec<Release>) {
        let exit = Exit { carry: Arc::clone(&self.carry), handle: self.handle.clone() };
        if releases.len() > 1 {
            tokio::spawn(async move { exit.let_out(releases) });
        } else {
            exit.let_out(releases);
        }
    }
}

/// How many inputs make a turn worth its flush, when `count` of them took so long to decide and
/// then to make durable.
fn inputs_worth(count: u32, deciding: Duration, flushing: Duration) -> usize {
    let each = deciding.as_nanos() / u128::from(count.max(1));
    let worth = (flushing * DECIDE_PER_FLUSH).as_nanos().checked_div(each);
    let worth = worth.and_then(|worth| usize::try_from(worth).ok()).unwrap_or(TURN_INPUTS_MAX);
    worth.clamp(TURN_INPUTS_MIN, TURN_INPUTS_MAX)
}

/// What releases need on their way out.
struct Exit {
    carry: Carry,
    handle: Handle,
}

impl Exit {
    fn let_out(&self, releases: Vec<Release>) {
        for release in releases {
            match release {
                Release::Tell(tell) => tell(),
                Release::Call(call) => self.carry_out(call),
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_takes_as_many_inputs_as_make_its_flush_a_small_part_of_it() {
        let us = Duration::from_micros;
        let check = |count, deciding, flushing, worth| {
            assert_eq!(inputs_worth(count, us(deciding), us(flushing)), worth);
        };
        // A slow disk: 100 us an input, 10 ms a flush.
        check(10, 1_000, 10_000, 400);
        check(400, 40_000, 10_000, 400);
        // A fast one.
        check(64, 6_400, 500, TURN_INPUTS_MIN);
        // One that hangs, a clock that stands, and a turn without inputs.
        check(1, 100, 60_000_000, TURN_INPUTS_MAX);
        check(5, 0, 0, TURN_INPUTS_MAX);
        check(0, 100, 500, TURN_INPUTS_MIN);
    }
}
