//! Version 3 of the disk format: journals that tell of a restored backup. FROZEN, as version 1 is.

use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::archive::{read, write};
use super::mirror::{
    Mirror, Thaw, Unfit, frozen_enum, frozen_struct, retired_enum, retired_struct,
};
use super::v1::{CancelReason, Content, Exchange, Ruling, Stamp, Verdict};
use super::v2::Accepted;
use super::{Key, Record};
use crate::model;

/// The archive of `record`; `None` for a kind that is as it was.
pub(super) fn archive(record: &Record) -> Option<AlignedVec> {
    match record {
        Record::Entry(it) => Some(write(&Entry::freeze(it.as_ref()))),
        _ => None,
    }
}

/// The record that `bytes`, aligned, hold for `key`.
pub(super) fn restore(key: &Key, bytes: &AlignedVec) -> Result<Record, Unfit> {
    match key {
        Key::Entry(..) => Ok(Record::Entry(Box::new(read::<Entry, _>(bytes)?))),
        _ => Err(Unfit("version 3 has no such record".to_owned())),
    }
}

frozen_struct! { Entry of model::JournalEntry {
    batch: [u8; 16],
    n: u32,
    stamp: Stamp,
    event: Event,
} }
frozen_enum! { Event of model::Event {
    Accepted(batch: Box<Accepted>),
    Woke { ix: u8 },
    Begun { ix: u8 },
    Answered {
        ix: u8,
        number: u32,
        epoch: u64,
        verdict: Box<Verdict>,
        exchange: Option<Box<Exchange>>
    },
    Recovered { ix: u8 },
    ReplyDue,
    Rescheduled { ix: u8, due: i64, request: Option<String> },
    Edited { ix: u8, place: u16, content: Box<Content> },
    Canceled { ix: u8, reason: CancelReason },
    Ruled { ix: u8, ruling: Ruling },
    Missed { ix: u8 },
    Retried { ix: u8, due: i64, request: Option<String>, force: bool },
    Restored { ix: u8, since: i64, overdue: bool },
} }
