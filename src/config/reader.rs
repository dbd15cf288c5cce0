//! Reads one key after the other from flags, environment and file, and at the end names what
//! nobody asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::model::Secret;

/// What every variable of ours begins with.
const ENV_PREFIX: &str = "FANFARE_";
/// Variables of ours that are no keys: the place of the file, and a secret that must stand in none.
const ENV_OTHERS: [&str; 3] = ["FANFARE_CONFIG", "FANFARE_SECRET_KEY", "FANFARE_APP_PASSWORD"];

/// The three sources, and the keys asked for so far.
#[derive(Debug)]
pub(super) struct Reader {
    file_name: String,
    file: BTreeMap<String, toml::Value>,
    env: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
    known: Vec<String>,
}

/// A value as it was found.
enum Found {
    /// In the file, with its type.
    Typed(toml::Value),
    /// In a flag or a variable, as text.
    Text(String),
}

impl Reader {
    /// Takes the sources. `file` is the text of the file, if there is one.
    pub(super) fn new(
        path: &Path,
        file: Option<&str>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let file_name = path.display().to_string();
        let table: toml::Table =
            file.unwrap_or_default().parse().map_err(|problem: toml::de::Error| {
                ConfigError::Syntax {
                    path: file_name.clone(),
                    problem: problem.to_string().trim_end().to_owned(),
                }
            })?;
        let mut flat = BTreeMap::new();
        flatten("", table, &mut flat);
        let env = env
            .filter(|(name, _)| name.starts_with(ENV_PREFIX))
            .filter(|(name, _)| !ENV_OTHERS.contains(&name.as_str()))
            .collect();
        let flags = flags.iter().cloned().collect();
        Ok(Self { file_name, file: flat, env, flags, known: Vec::new() })
    }

    /// A whole number within a range.
    pub(super) fn number(
        &mut self,
        key: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let expected = if *range.end() == u64::MAX {
            format!("a whole number of at least {}", range.start())
        } else {
            format!("a whole number from {} to {}", range.start(), range.end())
        };
        self.read(key, default, &expected, |found| match found {
            Found::Typed(value) => u64::try_from(value.as_integer()?).ok(),
            Found::Text(text) => text.parse().ok(),
        })
        .and_then(|(value, source)| {
            if range.contains(&value) {
                Ok(value)
            } else {
                Err(wrong(key, source, value.to_string(), &expected))
            }
        })
    }

    /// True or false.
    pub(super) fn switch(&mut self, key: &str, default: bool) -> Result<bool, ConfigError> {
        let read = self.read(key, default, "true or false", |found| match found {
            Found::Typed(value) => value.as_bool(),
            Found::Text(text) => text.parse().ok(),
        });
        Ok(read?.0)
    }

    /// Any text that `parse` takes; `expected` says what that is.
    pub(super) fn text<T>(
        &mut self,
        key: &str,
        default: T,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let read = self.read(key, default, expected, |found| match found {
            Found::Typed(value) => parse(value.as_str()?),
            Found::Text(text) => parse(text),
        });
        Ok(read?.0)
    }

    /// A secret text. What is wrong with it is said without it.
    pub(super) fn secret(&mut self, key: &str) -> Result<Secret, ConfigError> {
        let parse = |text: &str| Some(Secret::new(text));
        self.text(key, Secret::new(""), "a text in quotes", parse).map_err(|error| match error {
            ConfigError::Wrong { key, source_name, expected, .. } => {
                ConfigError::Wrong { key, source_name, value: "(not shown)".to_owned(), expected }
            }
            other => other,
        })
    }

    /// A path; relative ones are relative to the working folder.
    pub(super) fn path(
        &mut self,
        key: &str,
        default: Option<&str>,
    ) -> Result<Option<PathBuf>, ConfigError> {
        self.text(key, default.map(PathBuf::from), "a path in quotes", |text| {
            Some((!text.is_empty()).then(|| PathBuf::from(text)))
        })
    }

    /// Refuses what nobody asked for, with the nearest key that exists.
    pub(super) fn finish(self) -> Result<Vec<String>, ConfigError> {
        let unknown = |key: &str, source: &str, nearest: Option<String>| ConfigError::Unknown {
            key: key.to_owned(),
            source_name: source.to_owned(),
            nearest,
        };
        if let Some(key) = self.flags.keys().next() {
            return Err(unknown(key, "flags", nearest(key, self.known.iter().map(String::as_str))));
        }
        if let Some(name) = self.env.keys().next() {
            let names: Vec<_> = self.known.iter().map(|key| env_name(key)).collect();
            let near = nearest(name, names.iter().map(String::as_str));
            return Err(unknown(name, "environment", near));
        }
        if let Some(key) = self.file.keys().next() {
            let near = nearest(key, self.known.iter().map(String::as_str));
            return Err(unknown(key, &self.file_name, near));
        }
        Ok(self.known)
    }

    fn read<T>(
        &mut self,
        key: &str,
        default: T,
        expected: &str,
        parse: impl Fn(&Found) -> Option<T>,
    ) -> Result<(T, String), ConfigError> {
        self.known.push(key.to_owned());
        let variable = env_name(key);
        // All three are taken out, so that one overridden is not reported as unknown.
        let (flag, env) = (self.flags.remove(key), self.env.remove(&variable));
        let file = self.file.remove(key);
        let (found, source) = if let Some(text) = flag {
            (Found::Text(text), "flags".to_owned())
        } else if let Some(text) = env {
            (Found::Text(text), variable)
        } else if let Some(value) = file {
            (Found::Typed(value), self.file_name.clone())
        } else {
            return Ok((default, "default".to_owned()));
        };
        match parse(&found) {
            Some(value) => Ok((value, source)),
            None => Err(wrong(key, source, show(&found), expected)),
        }
    }
}

fn wrong(key: &str, source: String, value: String, expected: &str) -> ConfigError {
    let (key, expected) = (key.to_owned(), expected.to_owned());
    ConfigError::Wrong { key, source_name: source, value, expected }
}

fn show(found: &Found) -> String {
    match found {
        Found::Typed(value) => value.to_string(),
        Found::Text(text) => format!("\"{text}\""),
    }
}

/// `server.listen` is `FANFARE_SERVER_LISTEN`.
pub(super) fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

fn flatten(prefix: &str, table: toml::Table, into: &mut BTreeMap<String, toml::Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => flatten(&key, inner, into),
            // An empty section says nothing wrong.
            toml::Value::Table(_) => {}
            other => {
                into.insert(key, other);
            }
        }
    }
}

/// The candidate that takes the fewest edits, if it is near enough to be meant. A key whose last
/// part is right but whose section is not counts as near too.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let by_edits = candidates
        .clone()
        .map(|candidate| (edits(word, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= word.len().max(3) / 3);
    by_edits
        .map(|(_, candidate)| candidate.to_owned())
        .or_else(|| candidates.map(str::to_owned).find(|candidate| last(candidate) == last(word)))
}

/// The edit distance: insertions, deletions and replacements.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
