//! Stores that older programs left: this one opens them, and everything in them is as it was. A
//! newer program's store is refused in words.
//!
//! The stores lie in `tests/golden/stores`; `make` there says how they came to be.

use std::path::{Path, PathBuf};
use std::process::Command;

use fanfare::store::{FORMAT, Key, Record, Sled, Store, StoreError, decode_record, verify};
use serde_json::Value;

use crate::child::scratch;
use crate::shim;
use crate::support::{self, Server};

/// Stores of every format there has been, each closed in its own way.
const STORES: [&str; 7] = ["v1", "v2", "v3", "v4", "v5", "v6", "v7"];
const SETTINGS: [&str; 2] = ["server.public_url=http://golden", "rate_limit.points=0"];

struct Golden {
    folder: tempfile::TempDir,
}

impl Golden {
    fn unpack(name: &str) -> Self {
        let folder = scratch();
        let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stores");
        let unpacked = Command::new("tar")
            .arg("xzf")
            .arg(stores.join(format!("{name}.tar.gz")))
            .arg("-C")
            .arg(folder.path())
            .output()
            .expect("golden stores are unpacked by tar");
        assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A server on it, an hour after the older program left it.
    fn start(&self) -> Result<Server, String> {
        let at = std::fs::read_to_string(self.folder.path().join("told/at")).expect("an instant");
        let at: u64 = at.trim().parse().expect("seconds");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        shim::at(&mut command, at + 3_600);
        support::launch(command, &self.data(), &SETTINGS)
    }

    /// The upload is what it was, where the older program took it.
    fn check_upload(&self, server: &Server) {
        let told = std::fs::read(self.folder.path().join("told/uploaded")).unwrap_or_default();
        let mut told: Value = serde_json::from_slice(&told).unwrap_or_default();
        // Its address is good for a while only.
        if let Some(told) = told.as_object_mut() {
            told.remove("url");
        }
        if let Some(id) = told["id"].as_str() {
            let now = server.get(&format!("/v1/media/{id}")).json();
            assert!(holds(&told, &now), "{told}\n{now}");
        }
    }

    /// What it was told: names, with what was asked, answered and found then.
    fn told(&self) -> Vec<(String, String, Vec<u8>, Value)> {
        let told = self.folder.path().join("told");
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&told).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|kind| kind != "found") {
                continue;
            }
            let read = |kind: &str| std::fs::read(path.with_extension(kind)).expect("a file");
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
            let asked = String::from_utf8(read("asked")).expect("text");
            let found = serde_json::from_slice(&read("found")).expect("JSON");
            all.push((name, asked, read("answered"), found));
        }
        assert!(all.len() > 20, "{} requests", all.len());
        all
    }
}

/// Everything that the older program told is told by this one too; it may tell more.
fn holds(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().all(|(name, value)| {
            // Each answer has its own.
            name == "requestId" || new.get(name).is_some_and(|there| holds(value, there))
        }),
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| holds(old, new))
        }
        _ => old == new,
    }
}

fn verified(server: &Server) -> String {
    let verified = server.cli(&["journal", "verify"]);
    let out = String::from_utf8_lossy(&[verified.stdout, verified.stderr].concat()).into_owned();
    assert!(verified.status.success(), "{out}");
    out
}

#[test]
fn stores_of_every_format_open_and_read_as_they_were() {
    for name in STORES {
        let golden = Golden::unpack(name);
        let told = golden.told();
        // Twice: the first start brings the store up to date.
        for start in ["first", "second"] {
            let server = golden.start().expect("it starts");
            for (what, _, _, found) in &told {
                let id = support::text(found, "id");
                let now = server.get(&format!("/v1/posts/{id}")).json();
                assert!(holds(found, &now), "{name}, {start}, {what}:\n{found}\n{now}");
            }
            golden.check_upload(&server);
            // An equal request is replayed to the byte.
            for (what, asked, answered, _) in &told {
                let again = server.post_with_key(what, asked).expect("an answer");
                assert_eq!(again.header("idempotency-replayed"), Some("true"), "{name}, {what}");
                assert_eq!(again.body, *answered, "{name}, {start}, {what}");
            }
            assert!(verified(&server).contains("all hold"), "{name}");
            server.kill();
        }
    }
}

#[test]
fn an_old_store_is_brought_up_to_date_when_it_is_opened() {
    for name in STORES {
        let golden = Golden::unpack(name);
        let path = golden.data().join("store");
        let format = |record| match record {
            Ok(Some(Record::Meta(meta))) => meta.format,
            other => panic!("{other:?}"),
        };
        // It is of the format it is kept for.
        let tree = sled::open(&path).expect("it opens");
        let row = tree.get(Key::Meta.encode()).expect("it is read").expect("it is there");
        assert_eq!(format!("v{}", format(decode_record(&Key::Meta, &row).map(Some))), name);
        drop(tree);
        let store = Sled::open(&path).expect("it opens");
        assert_eq!(format(store.get(&Key::Meta)), FORMAT);
        assert_eq!(verify(&store).expect("it is read").findings, []);
        store.begin_epoch().expect("room");
        assert_eq!(verify(&store).expect("it is read").findings, []);
    }
}

#[test]
fn a_newer_store_is_refused_in_words() {
    let golden = Golden::unpack("newer");
    let refused = Sled::open(&golden.data().join("store")).expect_err("it is newer");
    assert_eq!(refused, StoreError::TooNew { found: 99, known: FORMAT });
    let words = |text: &str| {
        let known = format!("up to {FORMAT}");
        assert!(text.contains("format 99") && text.contains(&known), "{text}");
        assert!(text.contains("newer") && text.contains("restore a backup"), "{text}");
    };
    let said = golden.start().err().expect("it does not start");
    assert!(said.starts_with("fanfare: "), "{said}");
    words(&said);
    let verified = support::cli(&golden.data(), &["journal", "verify"]);
    assert_eq!(verified.status.code(), Some(69));
    words(&String::from_utf8_lossy(&verified.stderr));
    // It was left as it was: the newer program goes on with it.
    let again = Sled::open(&golden.data().join("store")).expect_err("it is newer");
    assert_eq!(again, refused);
}

#[test]
fn a_newer_record_is_named_and_the_rest_is_served() {
    let golden = Golden::unpack("newer-record");
    let verified = support::cli(&golden.data(), &["journal", "verify"]);
    let out = String::from_utf8_lossy(&[verified.stdout, verified.stderr].concat()).into_owned();
    assert_eq!(verified.status.code(), Some(4), "{out}");
    assert!(out.contains("format 99") && out.contains("newer"), "{out}");
    let server = golden.start().expect("it starts");
    for (name, _, _, found) in golden.told() {
        let id = support::text(&found, "id");
        let now = server.get(&format!("/v1/posts/{id}"));
        if name == "rejected" {
            assert_eq!(now.status, 500, "{:?}", now.json());
        } else {
            assert!(holds(&found, &now.json()), "{name}: {:?}", now.json());
        }
    }
}
