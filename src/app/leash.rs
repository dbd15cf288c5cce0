//! A server that ends with the process that started it, however that one ends.
//!
//! Its standard input is a pipe that the other holds: when it closes, nobody holds us any more.
//! That works also where the other was gone before we looked, and whichever of its threads started
//! us. A server that is stopped does not look, so Linux is asked to kill it.

use std::io::{self, Write as _};

/// How such a server ends; nobody is there to look at it.
const EXIT_LET_GO: i32 = 1;

/// From here on this process ends when its standard input does. It ends at once: whoever was to
/// hear of a drain is gone, and the journal is made for it.
///
/// # Errors
/// When the system has no thread to spare.
pub(super) fn hold() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let watch = || {
        // An input that cannot be read is as good as ended.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = writeln!(io::stderr(), "fanfare: the process that started this one has ended");
        std::process::exit(EXIT_LET_GO);
    };
    std::thread::Builder::new().name("leash".to_owned()).spawn(watch)?;
    Ok(())
}
