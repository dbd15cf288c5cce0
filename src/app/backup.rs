//! What is done with the file of a backup, without a server.

use std::path::Path;
use std::sync::Arc;

use super::{clocks, house, public_base};
use crate::accounts::Seal;
use crate::backup::{self, BackupError, Restore, Verified};
use crate::cli::{RestoreOptions, RestoredHere};
use crate::config::Config;
use crate::wire::Links;

/// Reads a backup and checks all of it.
pub fn verify_backup(path: &Path) -> Result<Verified, BackupError> {
    backup::verify(path, &clocks().dice)
}

/// Makes a data folder of a backup.
pub fn restore_backup(options: &RestoreOptions) -> Result<RestoredHere, BackupError> {
    let serve = &options.serve;
    let config = Config::load(serve.config.as_deref(), std::env::vars(), &serve.settings)
        .map_err(|problem| BackupError::Refused(problem.to_string()))?;
    let clocks = clocks();
    let links = Links { base: public_base(&config, config.server.listen) };
    let restored = backup::restore(Restore {
        from: &options.from,
        to: &options.to,
        lost_at: options.lost_at,
        despite_findings: options.despite_findings,
        now: (clocks.now)(),
        dice: Arc::clone(&clocks.dice),
        options: house::engine_options(&config, &links, 0),
    })?;
    let text = house::secret_text();
    let key_fits = text.map(|text| {
        let seal = Seal::open(Some(&text), Path::new(""), Arc::clone(&clocks.dice));
        seal.is_ok_and(|seal| house::instance(&seal) == restored.contents.header.instance)
    });
    Ok(RestoredHere { restored, key_fits })
}
