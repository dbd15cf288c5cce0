//! The command line: what the operator types, turned into one call.
//!
//! Words: a *setting* is a dotted key of `config.toml` with a value; flags beat the environment,
//! the environment beats the file.
//!
//! Deliberately absent: the wiring. `main` is handed what starts the server and what opens the
//! store, so that this room need not know how they are put together.

mod args;
mod backup;
mod run;
mod selftest;
mod show;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;

use self::args::{Cli, Command, ServeArgs};
pub use self::backup::{RestoreOptions, RestoredHere};
use self::run::Errand;
use crate::backup::{BackupError, Verified};
use crate::control::Control;
use crate::model::{Millis, Secret};
use crate::selftest::{Report, SelftestError};

/// What `serve` was told; every other command takes the same to find the data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServeOptions {
    /// The settings file that was named.
    pub config: Option<PathBuf>,
    /// Settings given as flags: dotted keys with their values.
    pub settings: Vec<(String, String)>,
    /// Whether it ends when its standard input does.
    pub leashed: bool,
}

/// What `webhooks listen` was told.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Where to listen.
    pub address: SocketAddr,
    /// The secret to check signatures with, if it was given.
    pub secret: Option<Secret>,
    /// The status that every delivery is answered with.
    pub answer: u16,
}

/// What `selftest` was told.
#[derive(Debug, Clone)]
pub struct SelftestOptions {
    /// Where a folder for it is made; without it in the data folder.
    pub folder: Option<PathBuf>,
    /// How long to torture.
    pub span: Millis,
    /// The seed of an earlier run.
    pub seed: Option<u64>,
}

/// The folders a command needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Where the data are.
    pub data: PathBuf,
    /// Where definitions that override the built-in ones are; perhaps nowhere.
    pub workflows: PathBuf,
}

/// The store, opened because no server runs.
#[derive(Debug)]
pub struct Local {
    /// Carries out requests.
    pub control: Arc<Control>,
    /// Why nothing of the store may be changed, if so.
    pub unsound: Option<String>,
}

/// Opens the store.
pub type Opening = Pin<Box<dyn Future<Output = Result<Local, String>>>>;
type Offline = fn(&ServeOptions) -> Opening;

/// What the wiring gives the command line.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    /// Runs the server until it is told to stop.
    pub serve: fn(ServeOptions) -> ExitCode,
    /// Hears webhooks until it is told to stop.
    pub listen: fn(ListenOptions) -> ExitCode,
    /// Reads the settings for the folders.
    pub folders: fn(&ServeOptions) -> Result<Folders, String>,
    /// Opens the store.
    pub offline: fn(&ServeOptions) -> Opening,
    /// Checks the file of a backup.
    pub verify_backup: fn(&Path) -> Result<Verified, BackupError>,
    /// Makes a data folder of a backup.
    pub restore_backup: fn(&RestoreOptions) -> Result<RestoredHere, BackupError>,
    /// Tortures a server in a folder below this one.
    pub selftest: fn(&Path, &SelftestOptions) -> Result<Report, SelftestError>,
}

/// A setting is wrong.
const EXIT_CONFIG: u8 = 78;

/// Runs the program: parses the arguments and carries out the command.
pub fn main(doors: Doors) -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    match run::errand(command) {
        Errand::Serve(args) => (doors.serve)(options(*args)),
        Errand::Listen(options) => (doors.listen)(options),
        Errand::Ask(job) => {
            let options = options(job.common.serve.clone());
            match (doors.folders)(&options) {
                Ok(folders) => run::run(*job, &folders.data, &options, doors.offline),
                Err(problem) => wrong_settings(&problem),
            }
        }
        Errand::File(work, common) => match (doors.folders)(&options(common.serve.clone())) {
            Ok(_) => backup::run(*work, &common, &doors),
            Err(problem) => wrong_settings(&problem),
        },
        Errand::Selftest(wanted, common) => match (doors.folders)(&options(common.serve.clone())) {
            Ok(folders) => selftest::run(&wanted, &folders.data, common.json, doors.selftest),
            Err(problem) => wrong_settings(&problem),
        },
        Errand::Check(files, common) => match (doors.folders)(&options(common.serve)) {
            Ok(folders) => run::check(&files, &folders.workflows, common.json),
            Err(problem) => wrong_settings(&problem),
        },
    }
}

fn wrong_settings(problem: &str) -> ExitCode {
    let _ = run::unavailable(&problem);
    ExitCode::from(EXIT_CONFIG)
}

fn options(args: ServeArgs) -> ServeOptions {
    let own = [("server.listen", args.listen), ("data_dir", args.data_dir)];
    let own = own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let settings = args.set.into_iter().chain(own).collect();
    ServeOptions { config: args.config, settings, leashed: args.leashed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn read(args: &[&str]) -> ServeOptions {
        let cli = Cli::try_parse_from(args).expect("well-formed arguments");
        match cli.command.unwrap_or(Command::Serve(cli.serve)) {
            Command::Serve(args) => options(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn serve_is_the_default_command() {
        Cli::command().debug_assert();
        let flags = ["--listen", "127.0.0.1:0", "--set", "sandbox.enabled=false"];
        let bare = read(&[&["fanfare"], &flags[..]].concat());
        assert_eq!(bare, read(&[&["fanfare", "serve"], &flags[..]].concat()));
        let pairs = [("sandbox.enabled", "false"), ("server.listen", "127.0.0.1:0")];
        assert_eq!(bare.settings, pairs.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!(Cli::try_parse_from(["fanfare", "--set", "nothing"]).is_err());
        assert!(Cli::try_parse_from(["fanfare", "batch", "rule", "post_x", "maybe"]).is_err());
    }
}
