//! The command line: what the operator types, turned into one call.
//!
//! Words: a *setting* is a dotted key of `config.toml` with a value; flags beat the environment,
//! the environment beats the file.
//!
//! Deliberately absent: the wiring. `main` is handed what starts the server, so that this room
//! need not know how it is put together.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// What `serve` was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServeOptions {
    /// The settings file that was named.
    pub config: Option<PathBuf>,
    /// Settings given as flags: dotted keys with their values.
    pub settings: Vec<(String, String)>,
}

/// Runs the program: parses the arguments and carries out the command.
pub fn main(serve: impl FnOnce(ServeOptions) -> ExitCode) -> ExitCode {
    let cli = Cli::parse();
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve(args.into_options()),
    }
}

#[derive(Debug, Parser)]
#[command(name = "fanfare", version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (this is what happens without a command)
    Serve(ServeArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The settings file; without it config.toml is read if it is there
    #[arg(long, value_name = "FILE", env = "FANFARE_CONFIG")]
    config: Option<PathBuf>,
    /// Where to listen, such as 127.0.0.1:3000; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The folder of everything that must survive
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Any setting, such as --set server.connections_max=100; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
}

impl ServeArgs {
    fn into_options(self) -> ServeOptions {
        let own = [("server.listen", self.listen), ("data_dir", self.data_dir)];
        let own = own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        ServeOptions { config: self.config, settings: self.set.into_iter().chain(own).collect() }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> ServeOptions {
        let cli = Cli::try_parse_from(args).expect("well-formed arguments");
        let Command::Serve(args) = cli.command.unwrap_or(Command::Serve(cli.serve));
        args.into_options()
    }

    #[test]
    fn serve_is_the_default_command() {
        let flags = ["--listen", "127.0.0.1:0", "--set", "sandbox.enabled=false"];
        let bare = options(&[&["fanfare"], &flags[..]].concat());
        assert_eq!(bare, options(&[&["fanfare", "serve"], &flags[..]].concat()));
        let pairs = [("sandbox.enabled", "false"), ("server.listen", "127.0.0.1:0")];
        assert_eq!(bare.settings, pairs.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!(Cli::try_parse_from(["fanfare", "--set", "nothing"]).is_err());
    }
}
