//! Attachments: pictures that no two requests share, addresses that never give the same bytes
//! twice, and the real folder of media, which outlives every process.
//!
//! Every attachment says in its description what it is: the digest of its bytes, or the address it
//! is fetched from. So what lands can be held against what was asked for.
//!
//! Deliberately absent: what a loss of power does to that folder; its files are written and synced
//! before anything names them, and other tests break them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Ready, ready};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanfare::media::Media;
use fanfare::model::{
    Batch, Cursor, Digest, Fault, MediaId, MediaSource, Millis, Outcome, Target, Timestamp,
};
use fanfare::store::{Key, Order, Record, Store as _};
use fanfare::upkeep::prune_media;
use fanfare::upstream::{FetchFault, Fetched};
use ring::digest::{SHA256, digest};
use rustix::fs::Timespec;
use serde_json::{Value, json};

use super::disk::Flaw;
use super::life::Rooms;
use super::net::pause;
use super::world::{Fate, State, World};
use crate::journal::{self, Finding};

/// Where attachments are fetched from.
const FILES: &str = "http://files.sim";
/// How old a file nobody needs is when it is removed.
const KEEP: Millis = Millis::from_secs(10);
/// Records read at once.
const PAGE: usize = 7;

/// A picture that is told from all others.
pub fn picture(n: u64) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0".to_vec();
    png.extend_from_slice(&n.to_be_bytes());
    png
}

/// What bytes are.
pub fn hash(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest(out)
}

/// An instant as the disk has it.
pub fn modified(at: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.as_millis()).expect("after 1970"))
}

/// The attachments of a request.
pub fn attachments(state: &mut State) -> Vec<Value> {
    let one = |state: &mut State| {
        state.pictures += 1;
        let n = state.pictures;
        if state.dice.chance(50) {
            let url = format!("{FILES}/{n}");
            return json!({ "kind": "image", "url": url, "altText": url });
        }
        let bytes = picture(n);
        let what = hash(&bytes).to_string();
        json!({ "kind": "image", "bytesBase64": STANDARD.encode(bytes), "altText": what })
    };
    (0..state.dice.range(1, 2)).map(|_| one(state)).collect()
}

/// Keeps bytes that came inside a request.
pub fn keeper(
    world: &Arc<World>,
    rooms: &Arc<Rooms>,
) -> impl Fn(Vec<u8>) -> Ready<Result<Digest, Fault>> + use<> {
    let (world, media) = (Arc::clone(world), Arc::clone(&rooms.media));
    move |bytes| {
        if world.flaw == Some(Flaw::LosesMedia) {
            return ready(Ok(hash(&bytes)));
        }
        let kept = media.put(&bytes).expect("there is room");
        let file = std::fs::File::options().append(true).open(media.path(&kept)).expect("kept");
        if world.flaw == Some(Flaw::MixesMedia) {
            std::io::Write::write_all(&mut &file, b"more").expect("there is room");
        }
        let now = world.state().wall();
        file.set_modified(SystemTime::UNIX_EPOCH + modified(now)).expect("ours");
        ready(Ok(kept))
    }
}

/// Fetches an address; whoever asks twice gets other bytes.
pub async fn fetch(
    world: &Arc<World>,
    url: &str,
    into: &mut tokio::fs::File,
) -> Result<Fetched, FetchFault> {
    fetched_before(world, url);
    let (fate, wait) = {
        let mut state = world.state();
        let fate = state.fate();
        state.note(&format!("fetch {url}: {fate:?}"));
        (fate, state.dice.range(1, 400))
    };
    pause(wait).await;
    match fate {
        Fate::Fine | Fate::Garbage => {}
        Fate::Refused => return Err(FetchFault::Status(404)),
        Fate::RateLimited => return Err(FetchFault::Status(429)),
        Fate::Unavailable => return Err(FetchFault::Status(503)),
        Fate::NotSent | Fate::LandsUnheard | Fate::LostUnheard | Fate::LandsLate | Fate::Silent => {
            return Err(FetchFault::Unreachable("the line is dead".to_owned()));
        }
    }
    let (bytes, now) = {
        let mut state = world.state();
        state.pictures += 1;
        (picture(state.pictures), state.wall())
    };
    // Written in place: on a thread beside this one it would come at no time that a seed can tell.
    let written = rustix::io::write(into.as_fd(), &bytes).expect("there is room");
    assert_eq!(written, bytes.len());
    let at = Timespec::try_from(modified(now)).expect("it fits");
    let times = rustix::fs::Timestamps { last_access: at, last_modification: at };
    rustix::fs::futimens(into.as_fd(), &times).expect("ours");
    Ok(Fetched { bytes: bytes.len() as u64, mime: Some("image/png".to_owned()) })
}

/// What a batch has fetched it never fetches again.
fn fetched_before(world: &Arc<World>, url: &str) {
    let address = hash(url.as_bytes());
    let known = |id| matches!(world.memory().get(&Key::Fetched(id, address)), Ok(Some(_)));
    let mut batches = journal::batches(&world.memory()).unwrap_or_default();
    batches.retain(|batch| {
        let mut items = batch.targets.iter().flat_map(|target| &batch.content_of(target).media);
        items.any(|item| matches!(&item.source, MediaSource::Url(own) if **own == *url))
    });
    if batches.iter().all(|batch| known(batch.id)) {
        let what = format!("{url} is fetched, and who asked for it has it");
        world.find(Finding::new("one_fetch_a_batch", what));
    }
}

/// The files of uploads that are there.
pub fn uploaded(world: &Arc<World>) -> BTreeSet<Digest> {
    let (first, last) = (Key::Media(MediaId::LOWEST), Key::Media(MediaId::HIGHEST));
    let found = world.memory().scan(&first, &last, Order::Ascending, usize::MAX);
    let uploads = found.unwrap_or_default().into_iter().filter_map(|(_, record)| match record {
        Record::Media(object) => Some(object.digest),
        _ => None,
    });
    uploads.collect()
}

/// What uploads and unsettled batches need and have.
fn needed(world: &Arc<World>, media: &Media) -> BTreeSet<Digest> {
    let uploads = world.state().uploads.clone();
    let mut needed = uploaded(world);
    for batch in journal::batches(&world.memory()).unwrap_or_default() {
        if batch.is_settled() {
            continue;
        }
        let (first, last) =
            (Key::Fetched(batch.id, Digest([0; 32])), Key::Fetched(batch.id, Digest([255; 32])));
        let fetched = world.memory().scan(&first, &last, Order::Ascending, usize::MAX);
        for (_, record) in fetched.unwrap_or_default() {
            if let Record::Fetched(fetched) = record {
                needed.insert(fetched.digest);
            }
        }
        let items = batch.targets.iter().flat_map(|target| &batch.content_of(target).media);
        needed.extend(items.filter_map(|item| match &item.source {
            MediaSource::Inline(digest) => Some(*digest),
            MediaSource::Upload(id) => uploads.get(id).copied(),
            MediaSource::Url(_) => None,
        }));
    }
    needed.retain(|digest| media.path(digest).exists());
    needed
}

/// Upkeep removes what nobody needs, as often as it likes, and never what somebody does.
pub fn prune(world: &Arc<World>, rooms: &Arc<Rooms>) {
    let needed = needed(world, &rooms.media);
    let before = kept(world);
    let now = world.state().wall();
    world.set_pruning(true);
    let pruned = prune_media(&rooms.store, &rooms.media, now, KEEP, PAGE);
    world.set_pruning(false);
    let after = kept(world);
    let mut state = world.state();
    state.note(&format!("prunes {pruned:?} files"));
    state.pruned.extend(before.difference(&after).copied());
    drop(state);
    if let Some(gone) = needed.iter().find(|digest| !rooms.media.path(digest).exists()) {
        let what = format!("{gone} was removed, and a batch that is not settled needs it");
        world.find(Finding::new("media_is_kept_while_needed", what));
    }
}

/// What landed is what was given, and what was fetched is the same for all targets, unless what
/// was fetched first was lost.
pub fn as_given(world: &Arc<World>) -> Result<(), Finding> {
    let mut fetched: BTreeMap<String, String> = BTreeMap::new();
    let state = world.state();
    for (said, landed) in state.timeline.media().chain(state.pds.media()) {
        if !said.starts_with(FILES) {
            if said != landed {
                let what = format!("{said} was given, and {landed} landed");
                return Err(Finding::new("media_lands_as_given", what));
            }
        } else if let Some(other) = fetched.insert(said.clone(), landed.clone())
            && other != landed
            && state.folders == 1
        {
            let what = format!("{said} landed as {other} and as {landed}");
            return Err(Finding::new("one_fetch_a_batch", what));
        }
    }
    Ok(())
}

/// A post fails for want of its attachment only where that was no longer needed: where it is tried
/// again long after it failed.
pub fn not_for_want_of_media(
    world: &Arc<World>,
    batch: &Batch,
    target: &Target,
) -> Result<(), Finding> {
    let Cursor::Ended(Outcome::Failed(fault) | Outcome::Rejected(fault)) = &target.cursor else {
        return Ok(());
    };
    if !matches!(fault.rule.as_deref(), Some("media.gone" | "media.unknown")) {
        return Ok(());
    }
    let pruned = world.state().pruned.clone();
    let was_pruned = batch.content_of(target).media.iter().any(|item| {
        let digest = match &item.source {
            MediaSource::Inline(digest) => Some(*digest),
            MediaSource::Url(url) => {
                match world.memory().get(&Key::Fetched(batch.id, hash(url.as_bytes()))) {
                    Ok(Some(Record::Fetched(fetched))) => Some(fetched.digest),
                    _ => None,
                }
            }
            // The file of one that is there is never removed.
            MediaSource::Upload(id) => {
                return matches!(world.memory().get(&Key::Media(*id)), Ok(None));
            }
        };
        digest.is_some_and(|digest| pruned.contains(&digest))
    });
    if was_pruned {
        return Ok(());
    }
    let what = format!("{} failed for want of its attachment", target.post);
    Err(Finding::new("media_is_kept_while_needed", what))
}

/// The files that are kept.
pub fn kept(world: &Arc<World>) -> BTreeSet<Digest> {
    let listed = |path: PathBuf| {
        let entries = std::fs::read_dir(path).expect("it can be listed");
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    let folders = listed(world.data().join("media")).into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(listed);
    files.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect()
}
