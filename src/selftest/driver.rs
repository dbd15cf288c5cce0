//! The blows: kills and stops at random moments, and what else a test can do to a process.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::chance::Chance;
use super::check::Finding;
use super::child::{Child, Ground, is_refusal};
use super::client::{Shared, pause};
use super::{Tally, Trick, Tricks};
use crate::model::Millis;

/// Answers between two blows: so that each falls on a server at work.
const ANSWERS: (u64, u64) = (1, 12);
/// How long they may take before that is a finding.
const PROGRESS_TIMEOUT: Millis = Millis::from_secs(120);
/// Between two looks at how many there are.
const LOOK: Millis = Millis(10);
/// From the last of them to the blow, in milliseconds.
const AIM: (u64, u64) = (0, 900);
/// How long a server is stopped, in milliseconds: longer than some clients wait.
const STOPPED: (u64, u64) = (5, 3_000);
/// Failures to start in a row before nothing more is tried.
const STARTS_MAX: usize = 3;
/// How long a server may live on whose disk is full: until it next has something to keep.
const FULL_TIMEOUT: Millis = Millis::from_secs(60);
/// How far the clock steps, in milliseconds: by seconds, or by more than an hour.
const STEPS: &[(u64, (u64, u64))] = &[(40, (1_000, 110_000)), (60, (130_000, 5_400_000))];
/// At the end the clock is so much ahead of all that it ever was, so that every wait is over.
const AHEAD_AT_END: i64 = 7_200_000;
/// Clock steps in a hundred restarts, where the clock can be stepped at all.
const STEPS_WHILE_DOWN: u64 = 25;

#[derive(Debug, Clone, Copy)]
enum Blow {
    Kill,
    Stop,
    StopAndKill,
    Step,
    Fill,
}

/// The first rounds have one of each, so that a short run has them all.
const FIRST: &[Blow] = &[Blow::Kill, Blow::Stop, Blow::Step, Blow::Fill, Blow::StopAndKill];
const BLOWS: &[(u64, Blow)] = &[(58, Blow::Kill), (27, Blow::Stop), (15, Blow::StopAndKill)];
const TRICKS: &[(u64, Blow)] = &[(18, Blow::Step), (10, Blow::Fill)];

/// Who strikes.
pub(super) struct Driver {
    ground: Ground,
    /// None only while one is being started.
    child: Option<Child>,
    base: watch::Sender<String>,
    shared: Arc<Shared>,
    chance: Chance,
    tricks: Option<Tricks>,
    ahead_max: i64,
    pub tally: Tally,
    pub findings: Vec<Finding>,
}

impl Driver {
    pub(super) fn new(
        (ground, child): (Ground, Child),
        (base, shared): (watch::Sender<String>, Arc<Shared>),
        chance: Chance,
        tricks: Option<Tricks>,
    ) -> Self {
        Self {
            ground,
            child: Some(child),
            base,
            shared,
            chance,
            tricks,
            ahead_max: 0,
            tally: Tally::default(),
            findings: Vec::new(),
        }
    }

    /// Waits until the server has worked for a moment, then strikes once.
    ///
    /// # Errors
    /// When there is no going on.
    pub(super) async fn round(&mut self) -> Result<(), String> {
        self.progress().await?;
        pause(Millis(self.chance.range(AIM.0, AIM.1))).await;
        let blow = self.draw();
        self.tally.rounds += 1;
        match blow {
            Blow::Kill => {
                self.tally.kills += 1;
                self.kill().await?;
                self.start().await
            }
            Blow::Stop => {
                self.tally.stops += 1;
                self.stop().await?;
                let Some(child) = &self.child else { return Ok(()) };
                child.go_on().map_err(|problem| problem.to_string())
            }
            Blow::StopAndKill => {
                self.tally.stops += 1;
                self.tally.kills += 1;
                self.stop().await?;
                self.kill().await?;
                self.start().await
            }
            Blow::Step => {
                self.step();
                Ok(())
            }
            Blow::Fill => self.fill().await,
        }
    }

    fn draw(&mut self) -> Blow {
        let tricky = self.tricks.is_some();
        let possible = |blow: &&Blow| tricky || !matches!(blow, Blow::Step | Blow::Fill);
        let round = usize::try_from(self.tally.rounds).unwrap_or(usize::MAX);
        match FIRST.iter().filter(possible).nth(round) {
            Some(blow) => *blow,
            None if tricky => self.chance.pick(&[BLOWS, TRICKS].concat()),
            None => self.chance.pick(BLOWS),
        }
    }

    /// Ends all blows: a server runs, on a disk with room, and by its clock no wait goes on.
    pub(super) async fn relent(&mut self) -> Result<(), String> {
        if let Some(tricks) = &self.tricks {
            (tricks.play)(Trick::DiskFull(false));
            self.set_clock(self.ahead_max + AHEAD_AT_END);
        }
        self.kill().await?;
        self.tally.kills += 1;
        // Its clock stays where it is now.
        self.start_again().await
    }

    /// Lets the server drain, and has its store verified: how many records it holds.
    pub(super) async fn finish(mut self) -> (Tally, Vec<Finding>, u64) {
        let mut records = 0;
        if let Some(child) = self.child.take()
            && let Err(how) = child.finish(&self.ground).await
        {
            self.findings.push(Finding::Wrong(format!("the server did not drain: {how}")));
        }
        match self.ground.verify().await {
            Ok(answer) => records = answer["records"].as_u64().unwrap_or(0),
            Err(what) => self.findings.push(Finding::Wrong(format!("journal verify: {what}"))),
        }
        (self.tally, self.findings, records)
    }

    async fn progress(&mut self) -> Result<(), String> {
        let shared = Arc::clone(&self.shared);
        let answered = || shared.answered.load(Ordering::Relaxed);
        let wanted = answered() + self.chance.range(ANSWERS.0, ANSWERS.1);
        let comes = async {
            while answered() < wanted {
                pause(LOOK).await
            }
        };
        let comes = tokio::time::timeout(PROGRESS_TIMEOUT.as_duration(), comes);
        let Some(child) = &mut self.child else { return self.start().await };
        tokio::select! {
            came = comes => match came {
                Ok(()) => Ok(()),
                Err(_) => Err(format!("nothing was answered for {PROGRESS_TIMEOUT}")),
            },
            died = child.died() => {
                let how = died.map_or_else(|it| it.to_string(), |it| self.ground.ended(it));
                self.findings.push(Finding::Wrong(format!("the server ended by itself: {how}")));
                self.child = None;
                self.start().await
            }
        }
    }

    async fn kill(&mut self) -> Result<(), String> {
        self.base.send_replace(String::new());
        match self.child.take() {
            Some(child) => child.kill().await.map_err(|problem| problem.to_string()),
            None => Ok(()),
        }
    }

    async fn stop(&mut self) -> Result<(), String> {
        let Some(child) = &self.child else { return Ok(()) };
        child.stop().map_err(|problem| problem.to_string())?;
        pause(Millis(self.chance.range(STOPPED.0, STOPPED.1))).await;
        Ok(())
    }

    async fn start(&mut self) -> Result<(), String> {
        if self.tricks.is_some() && self.chance.percent(STEPS_WHILE_DOWN) {
            self.step();
        }
        self.start_again().await
    }

    async fn start_again(&mut self) -> Result<(), String> {
        for _ in 0..STARTS_MAX {
            match self.ground.start().await {
                Ok(child) => {
                    self.base.send_replace(child.base.clone());
                    self.child = Some(child);
                    return Ok(());
                }
                Err(how) => {
                    self.findings.push(Finding::Wrong(format!("it did not start again: {how}")));
                }
            }
        }
        Err("the server does not start any more".to_owned())
    }

    /// Steps the server's clock, from where it is to somewhere else around the true time.
    fn step(&mut self) {
        let (low, high) = self.chance.pick(STEPS);
        let far = i64::try_from(self.chance.range(low, high)).unwrap_or(0);
        let ahead = match self.chance.range(0, 2) {
            0 => far,
            1 => -far,
            _ => 0,
        };
        self.set_clock(ahead);
        self.tally.clock_steps += 1;
    }

    fn set_clock(&mut self, ahead: i64) {
        let Some(tricks) = &self.tricks else { return };
        (tricks.play)(Trick::ClockAhead(ahead));
        self.shared.ahead.store(ahead, Ordering::Relaxed);
        self.ahead_max = self.ahead_max.max(ahead);
    }

    /// Fills the disk: the server must end in words, and not start until there is room.
    async fn fill(&mut self) -> Result<(), String> {
        let Some(play) = self.tricks.as_ref().map(|tricks| Arc::clone(&tricks.play)) else {
            return Ok(());
        };
        let Some(mut child) = self.child.take() else { return self.start().await };
        self.tally.full_disks += 1;
        play(Trick::DiskFull(true));
        match tokio::time::timeout(FULL_TIMEOUT.as_duration(), child.died()).await {
            Ok(Ok(status)) if is_refusal(status) => {}
            Ok(Ok(status)) => {
                let how = self.ground.ended(status);
                self.findings.push(Finding::Wrong(format!("its disk was full, and it: {how}")));
            }
            Ok(Err(problem)) => return Err(problem.to_string()),
            Err(_) => {
                let words = format!("it went on for {FULL_TIMEOUT} on a full disk");
                self.findings.push(Finding::Wrong(words));
            }
        }
        self.base.send_replace(String::new());
        drop(child);
        if self.chance.percent(50) && self.ground.start().await.is_ok() {
            self.findings.push(Finding::Wrong("it started on a full disk".to_owned()));
        }
        play(Trick::DiskFull(false));
        self.start().await
    }
}
