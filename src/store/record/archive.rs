//! Frozen types to rkyv archives and back.

use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::mirror::{Thaw, Unfit};

/// The archive of a frozen value.
pub(super) fn write<T>(value: &T) -> AlignedVec
where
    T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
{
    rkyv::to_bytes::<rancor::Error>(value).expect("only archives above 2 GiB fail")
}

/// The model's value of an archive that is checked first.
pub(super) fn read<T, M>(bytes: &AlignedVec) -> Result<M, Unfit>
where
    T: Archive + Thaw<M>,
    T::Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
        + Deserialize<T, HighDeserializer<rancor::Error>>,
{
    let frozen: T = rkyv::from_bytes::<T, rancor::Error>(bytes)
        .map_err(|error| Unfit(format!("its layout is broken ({error})")))?;
    frozen.thaw()
}
