//! Encryption at rest: AES-256-GCM under one key of this server, from which other keys derive.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};

use crate::model::{Dice, Secret};

const KEY_BYTES: usize = 32;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key is no 32 bytes of base64 or hexadecimal.
    #[error("read the secret key: it must be 32 bytes, written in base64 or 64 hex digits")]
    Key,
    /// The key file cannot be read or made.
    #[error("read {path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        problem: std::io::Error,
    },
    /// What was sealed does not open.
    #[error(
        "open a credential: it was changed, or sealed with another secret key; restore the key, \
         or connect the account again"
    )]
    Unsound,
}

/// The key that seals.
pub struct Seal {
    key: LessSafeKey,
    /// Keys for other ends are made of this, one a label, so that none can stand in for another.
    root: hkdf::Prk,
    dice: Dice,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(***)")
    }
}

impl Seal {
    /// The key from the environment's text if there is one, else from the file, which is made
    /// with mode 0600 when it is not there.
    ///
    /// # Errors
    /// See `SealError`.
    pub fn open(text: Option<&str>, file: &Path, dice: Dice) -> Result<Self, SealError> {
        let bytes = match text {
            Some(text) => parse(text)?,
            None => from_file(file, &dice)?,
        };
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Key)?;
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&bytes);
        Ok(Self { key: LessSafeKey::new(key), root, dice })
    }

    /// The key that signs what carries this label.
    pub fn signing_key(&self, label: &str) -> hmac::Key {
        let info = [label.as_bytes()];
        let made = self.root.expand(&info, hmac::HMAC_SHA256);
        made.expect("a key of one hash is never too long").into()
    }

    /// Seals a text for one owner, such as an account, by the raw form of its id. The owner is part
    /// of it: it opens for no other.
    ///
    /// # Errors
    /// `Unsound` when the text is too long to be sealed.
    pub fn seal(&self, owner: u128, text: &Secret) -> Result<Vec<u8>, SealError> {
        let random = (self.dice)().to_be_bytes();
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&random[..NONCE_LEN]);
        let mut sealed = text.expose().as_bytes().to_vec();
        let aad = Aad::from(owner.to_be_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| SealError::Unsound)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed for this owner.
    ///
    /// # Errors
    /// `Unsound` when a bit of it is other than it was, or the key or the owner is.
    pub fn open_sealed(&self, owner: u128, sealed: &[u8]) -> Result<Secret, SealError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Unsound)?;
        let mut rest = rest.to_vec();
        let aad = Aad::from(owner.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain =
            self.key.open_in_place(nonce, aad, &mut rest).map_err(|_| SealError::Unsound)?;
        let text = std::str::from_utf8(plain).map_err(|_| SealError::Unsound)?;
        Ok(Secret::new(text))
    }
}

fn parse(text: &str) -> Result<Vec<u8>, SealError> {
    let text = text.trim();
    if let Ok(digest) = text.parse::<crate::model::Digest>() {
        return Ok(digest.0.to_vec());
    }
    let engines = [
        base64::engine::general_purpose::STANDARD,
        base64::engine::general_purpose::URL_SAFE_NO_PAD,
    ];
    let decoded = engines.iter().find_map(|engine| engine.decode(text).ok());
    decoded.filter(|bytes| bytes.len() == KEY_BYTES).ok_or(SealError::Key)
}

fn from_file(path: &Path, dice: &Dice) -> Result<Vec<u8>, SealError> {
    let failed = |problem| SealError::File { path: path.display().to_string(), problem };
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {
            let bytes = [dice().to_be_bytes(), dice().to_be_bytes()].concat();
            let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
            write_durably(path, &text).map_err(failed)?;
            Ok(bytes)
        }
        Err(problem) => Err(failed(problem)),
    }
}

/// Whole or not at all, and there after a power loss: what is sealed with it must not outlive it.
fn write_durably(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn derived_keys_follow_from_the_secret_and_the_label_alone() {
        let dice: Dice = Arc::new(|| 7);
        let nowhere = Path::new("/nonexistent");
        let seal = |hex: &str| Seal::open(Some(&hex.repeat(32)), nowhere, Arc::clone(&dice));
        let tag = |hex: &str, label: &str| {
            let key = seal(hex).expect("hex").signing_key(label);
            hmac::sign(&key, b"text").as_ref().to_vec()
        };
        let media = tag("ab", "media");
        assert_eq!(media, tag("ab", "media"));
        assert_ne!(media, tag("ab", "other"));
        assert_ne!(media, tag("cd", "media"));
    }

    #[test]
    fn what_is_sealed_opens_for_its_account_and_key_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = AtomicU64::new(1);
        let dice: Dice = Arc::new(move || u128::from(count.fetch_add(1, Ordering::Relaxed)) << 90);
        let file = folder.path().join("key");
        let seal = Seal::open(None, &file, Arc::clone(&dice)).expect("it is made");
        let (me, you) = (1, 2);
        let secret = Secret::new("pass word");
        let sealed = seal.seal(me, &secret).expect("sealed");
        assert!(!sealed.windows(4).any(|bytes| bytes == b"pass"));
        assert_ne!(sealed, seal.seal(me, &secret).expect("sealed"), "a fresh nonce");
        let again = Seal::open(None, &file, Arc::clone(&dice)).expect("it is read");
        assert_eq!(again.open_sealed(me, &sealed).expect("opens").expose(), "pass word");
        assert!(seal.open_sealed(you, &sealed).is_err());
        for place in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[place] ^= 1;
            assert!(seal.open_sealed(me, &bad).is_err(), "byte {place}");
        }
        let hex = "ab".repeat(32);
        let other = Seal::open(Some(&hex), &file, Arc::clone(&dice)).expect("hex");
        assert!(other.open_sealed(me, &sealed).is_err());
        assert!(matches!(Seal::open(Some("short"), &file, dice), Err(SealError::Key)));
        let signed =
            |seal: &Seal, label| hmac::sign(&seal.signing_key(label), b"x").as_ref().to_vec();
        assert_eq!(signed(&seal, "a"), signed(&again, "a"));
        assert_ne!(signed(&seal, "a"), signed(&seal, "b"));
        assert_ne!(signed(&seal, "a"), signed(&other, "a"));
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&file).expect("it is there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
}
