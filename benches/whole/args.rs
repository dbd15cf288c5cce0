//! The command line: which sections, how large, which binary.

use std::path::PathBuf;

/// What was asked for.
#[derive(Debug)]
pub struct Args {
    /// Small sizes and short spans.
    pub quick: bool,
    /// Build stored sets anew, although there are some from an earlier run.
    pub fresh: bool,
    /// The server.
    pub binary: PathBuf,
    sections: Vec<String>,
}

impl Args {
    /// Reads the command line; ends the process where it makes no sense.
    pub fn read(words: &[String], known: &[(&str, &str)]) -> Self {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_fanfare"));
        let mut args = Self { quick: false, fresh: false, binary, sections: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                // cargo says it to every benchmark.
                "--bench" => {}
                "--quick" => args.quick = true,
                "--fresh" => args.fresh = true,
                "--binary" => {
                    args.binary = PathBuf::from(words.next().expect("--binary takes a path"));
                }
                name if known.iter().any(|(section, _)| *section == name) => {
                    args.sections.push(name.to_owned());
                }
                other => refuse(other, known),
            }
        }
        args
    }

    /// Whether a section is to run: all are where none is named.
    pub fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|name| name == section)
    }

    /// One of two sizes.
    pub fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// The size of the server's binary.
    pub fn binary_bytes(&self) -> u64 {
        std::fs::metadata(&self.binary).map_or(0, |meta| meta.len())
    }
}

fn refuse(word: &str, known: &[(&str, &str)]) -> ! {
    println!("{word}: not known. Options: --quick --fresh --binary PATH. Sections:");
    for (name, what) in known {
        println!("  {name:<10} {what}");
    }
    std::process::exit(2)
}
