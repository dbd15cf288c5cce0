//! Identifiers: one type a kind, one strict parser, one way to print.
//!
//! Batches, posts and notices are prefixed ULIDs, so they sort by creation time; accounts,
//! profiles, keys, webhook endpoints and deliveries are UUIDs; media are `med_` and 22 base-62
//! characters, deliberately not sortable.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use super::Timestamp;

/// Why a text is no identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdError {
    /// What was expected, for a person: `post_ and 26 characters`.
    pub expected: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read an id: expected {}", self.expected)
    }
}

impl std::error::Error for IdError {}

/// The digits of a UUID.
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Where the digits of each byte of a UUID stand.
const UUID_PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
/// Characters of a ULID.
const ULID_CHARS: usize = 26;

/// What tells one ULID kind from another: its prefix on the wire.
pub trait UlidKind {
    /// The prefix with its underscore.
    const PREFIX: &'static str;
    /// What a parser error says was expected.
    const EXPECTED: &'static str;
}

/// Marks batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BatchKind {}
/// Marks posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PostKind {}
/// Marks notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeMark {}

impl UlidKind for BatchKind {
    const PREFIX: &'static str = "batch_";
    const EXPECTED: &'static str = "batch_ and a 26-character ULID";
}
impl UlidKind for PostKind {
    const PREFIX: &'static str = "post_";
    const EXPECTED: &'static str = "post_ and a 26-character ULID";
}

impl UlidKind for NoticeMark {
    const PREFIX: &'static str = "evt_";
    const EXPECTED: &'static str = "evt_ and a 26-character ULID";
}

/// A prefixed ULID. Sorts by creation time, then by order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UlidId<K> {
    raw: u128,
    kind: PhantomData<K>,
}

/// One accepted `POST /v1/posts`.
pub type BatchId = UlidId<BatchKind>;
/// One target of a batch.
pub type PostId = UlidId<PostKind>;
/// One notice to the world: an event, on the wire.
pub type NoticeId = UlidId<NoticeMark>;

impl<K> UlidId<K> {
    /// The 128 bits as a number; big-endian order is creation order.
    pub const fn raw(self) -> u128 {
        self.raw
    }

    /// The identifier with these 128 bits.
    pub const fn from_raw(raw: u128) -> Self {
        Self { raw, kind: PhantomData }
    }

    /// Its spelling behind the prefix.
    pub(super) fn letters(&self) -> [u8; ULID_CHARS] {
        let mut out = [0; ULID_CHARS];
        ulid::Ulid(self.raw).array_to_str(&mut out);
        out
    }

    /// The creation time carried in the first 48 bits.
    pub fn created_at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.raw >> 80).unwrap_or(i64::MAX))
    }
}

impl<K: UlidKind> fmt::Display for UlidId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::PREFIX)?;
        f.write_str(std::str::from_utf8(&self.letters()).map_err(|_| fmt::Error)?)
    }
}

impl<K: UlidKind> FromStr for UlidId<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = IdError { expected: K::EXPECTED };
        let body = text.strip_prefix(K::PREFIX).ok_or(bad.clone())?;
        let ulid = ulid::Ulid::from_string(body).map_err(|_| bad.clone())?;
        // One spelling an id: lower case and overflowing forms are refused.
        if ulid.to_string() != body {
            return Err(bad);
        }
        Ok(Self::from_raw(ulid.0))
    }
}

/// Makes ULIDs that never go backwards, even when the clock does.
#[derive(Debug, Clone)]
pub struct UlidFactory {
    last: u128,
}

impl UlidFactory {
    /// Continues above `last`: the highest raw id ever given out, or 0.
    pub const fn above(last: u128) -> Self {
        Self { last }
    }

    /// The lowest id of this instant.
    pub fn floor(at: Timestamp) -> u128 {
        (u128::try_from(at.as_millis()).unwrap_or(0) & ((1 << 48) - 1)) << 80
    }

    /// The next id for this instant, with 80 bits of the caller's entropy.
    pub fn next(&mut self, at: Timestamp, entropy: u128) -> u128 {
        let millis = u128::try_from(at.as_millis()).unwrap_or(0) & ((1 << 48) - 1);
        // The top entropy bit stays clear so that increments do not run into the time.
        let fresh = (millis << 80) | (entropy & ((1 << 79) - 1));
        self.last = if fresh > self.last { fresh } else { self.last + 1 };
        self.last
    }
}

/// Marks accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {}
/// Marks profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileKind {}
/// Marks API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {}
/// Marks webhook endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointKind {}
/// Marks attempts at a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryKind {}

/// A UUID of a kind. Parsing takes any version and either case; printing is lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UuidId<K> {
    raw: u128,
    kind: PhantomData<K>,
}

/// One connected identity on one platform.
pub type AccountId = UuidId<AccountKind>;
/// A group of accounts inside the organization.
pub type ProfileId = UuidId<ProfileKind>;
/// One API key.
pub type KeyId = UuidId<KeyKind>;
/// One webhook endpoint.
pub type EndpointId = UuidId<EndpointKind>;
/// One attempt at delivering a notice to an endpoint.
pub type DeliveryId = UuidId<DeliveryKind>;

impl<K> UuidId<K> {
    /// The 128 bits as a number.
    pub const fn raw(self) -> u128 {
        self.raw
    }

    /// The identifier with these 128 bits.
    pub const fn from_raw(raw: u128) -> Self {
        Self { raw, kind: PhantomData }
    }

    /// Its spelling. Ids are printed several times for each post: digit by digit it took a tenth
    /// of it.
    pub(super) fn letters(&self) -> [u8; 36] {
        let mut text = [b'-'; 36];
        for (at, byte) in UUID_PLACES.into_iter().zip(self.raw.to_be_bytes()) {
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
        }
        text
    }

    /// A version 7 UUID: time first, then the caller's entropy.
    pub fn v7(at: Timestamp, entropy: u128) -> Self {
        let millis = u128::try_from(at.as_millis()).unwrap_or(0) & ((1 << 48) - 1);
        let rand_a = (entropy >> 64) & 0xfff;
        let rand_b = entropy & ((1 << 62) - 1);
        Self::from_raw((millis << 80) | (7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b)
    }
}

impl<K> fmt::Display for UuidId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.letters()).map_err(|_| fmt::Error)?)
    }
}

impl<K> FromStr for UuidId<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = IdError { expected: "a UUID of 8-4-4-4-12 hexadecimal digits" };
        let bytes = text.as_bytes();
        let dashes = [8, 13, 18, 23];
        let shaped = bytes.len() == 36
            && bytes.iter().enumerate().all(|(ix, byte)| {
                if dashes.contains(&ix) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
            });
        if !shaped {
            return Err(bad);
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self::from_raw).map_err(|_| bad)
    }
}

/// One uploaded file: `med_` and 22 characters of `[0-9A-Za-z]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaId([u8; 26]);

impl MediaId {
    const DIGITS: &'static [u8; 62] =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    /// Below or equal to every id.
    pub const LOWEST: Self = Self(*b"med_0000000000000000000000");
    /// Above or equal to every id.
    pub const HIGHEST: Self = Self(*b"med_zzzzzzzzzzzzzzzzzzzzzz");

    /// An id made of the caller's entropy: 128 bits in base 62.
    pub fn fresh(entropy: u128) -> Self {
        let mut out = *b"med_0000000000000000000000";
        let mut rest = entropy;
        for place in out[4..].iter_mut().rev() {
            let digit = usize::try_from(rest % 62).unwrap_or(0);
            *place = Self::DIGITS[digit];
            rest /= 62;
        }
        Self(out)
    }

    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("every media id is ASCII")
    }

    /// The characters, as a store's key holds them.
    pub const fn bytes(&self) -> &[u8; 26] {
        &self.0
    }
}

impl fmt::Debug for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaId({self})")
    }
}

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MediaId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = IdError { expected: "med_ and 22 characters of [0-9A-Za-z]" };
        let bytes: [u8; 26] = text.as_bytes().try_into().map_err(|_| bad.clone())?;
        let shaped = bytes.starts_with(b"med_") && bytes[4..].iter().all(u8::is_ascii_alphanumeric);
        if shaped { Ok(Self(bytes)) } else { Err(bad) }
    }
}

/// A SHA-256 digest: of a workflow text, of stored bytes, of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = IdError { expected: "64 hexadecimal digits" };
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad);
        }
        let mut out = [0; 32];
        for (ix, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[ix * 2..ix * 2 + 2], 16).map_err(|_| bad.clone())?;
        }
        Ok(Self(out))
    }
}

/// A request's correlation id: the caller's own when it is well formed, else `req_` and a ULID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// Takes a caller's id of 1 to 255 characters of `[A-Za-z0-9_=-]`; anything else is `None`.
    pub fn from_caller(text: &str) -> Option<Self> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'=');
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(good);
        fits.then(|| Self(text.to_owned()))
    }

    /// A fresh id for this instant.
    pub fn fresh(at: Timestamp, entropy: u128) -> Self {
        Self(format!("req_{}", ulid::Ulid(UlidFactory::above(0).next(at, entropy))))
    }

    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulids_print_and_parse() {
        let id = BatchId::from_raw(0x0190_aaaa_bbbb_cccc_dddd_eeee_ffff_0001);
        let text = id.to_string();
        assert!(text.starts_with("batch_") && text.len() == 32, "{text}");
        assert_eq!(text.parse(), Ok(id));
        assert!(text.to_lowercase().parse::<BatchId>().is_err());
        assert!(text.replace("batch_", "post_").parse::<BatchId>().is_err());
        assert!("batch_ZZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<BatchId>().is_err());
    }

    #[test]
    fn the_factory_never_goes_back() {
        let mut factory = UlidFactory::above(0);
        let first = factory.next(Timestamp::from_millis(1_000), 7);
        let second = factory.next(Timestamp::from_millis(1), 9);
        assert_eq!(second, first + 1);
        assert!(factory.next(Timestamp::from_millis(2_000), 0) > second);
    }

    #[test]
    fn uuids_take_any_version_and_case() {
        for text in ["00000000-0000-0000-0000-000000000000", "0196F0AA-0000-7000-8000-00000000aaAA"]
        {
            let id: AccountId = text.parse().expect("a uuid");
            assert_eq!(id.to_string(), text.to_lowercase());
        }
        for text in ["", "0196f0aa00007000800000000000aaaa", "0196f0aa-0000-7000-8000-00000000aaa+"]
        {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
        let v7 = AccountId::v7(Timestamp::from_millis(1_700_000_000_000), u128::MAX).to_string();
        assert_eq!(&v7[14..15], "7");
    }
}
