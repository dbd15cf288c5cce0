//! Keys, to bytes and back.

use proptest::prelude::*;

use super::*;
use crate::store::samples::any_key;

proptest! {
    #[test]
    fn every_key_survives_its_bytes(key in any_key()) {
        let bytes = key.encode();
        prop_assert_eq!(Key::decode(&bytes), Some(key));
        prop_assert_eq!(Key::decode(&bytes[..bytes.len() - 1]), None);
        let mut longer = bytes;
        longer.push(0);
        prop_assert_eq!(Key::decode(&longer), None);
    }

    #[test]
    fn instants_sort_across_1970(a in any::<i64>(), b in any::<i64>(), id in any::<u128>()) {
        let timer = |ms| Key::Timer(Timestamp::from_millis(ms), BatchId::from_raw(id));
        prop_assert_eq!(timer(a).encode().cmp(&timer(b).encode()), a.cmp(&b));
    }

    #[test]
    fn rows_sort_by_batch_then_kind_then_number(
        batches in any::<(u128, u128)>(),
        kinds in (0u8..5, 0u8..5),
        numbers in any::<(u8, u8)>(),
    ) {
        let row = |batch, kind, n: u8| {
            let batch = BatchId::from_raw(batch);
            match kind {
                0 => Key::Batch(batch),
                1 => Key::Target(batch, TargetIx(n)),
                2 => Key::Content(batch, ContentIx(u16::from(n) << 4)),
                3 => Key::Memo(batch, TargetIx(n), StepRef { step: 1, round: 2 }),
                _ => Key::Entry(batch, u32::from(n) << 12),
            }
        };
        let number = |kind, n| if kind == 0 { 0 } else { n };
        let left = row(batches.0, kinds.0, numbers.0);
        let right = row(batches.1, kinds.1, numbers.1);
        let expected = (batches.0, kinds.0, number(kinds.0, numbers.0))
            .cmp(&(batches.1, kinds.1, number(kinds.1, numbers.1)));
        prop_assert_eq!(left.cmp(&right), expected);
    }
}

#[test]
fn families_sort_in_the_order_of_the_enum() {
    let zero = BatchId::from_raw(0);
    let at = Timestamp::from_millis(0);
    let none = Digest([0; 32]);
    let upload = MediaId::fresh(0);
    let (endpoint, notice) = (EndpointId::from_raw(0), NoticeId::from_raw(0));
    let keys = [
        Key::Meta,
        Key::Definition(none),
        Key::Profile(ProfileId::from_raw(0)),
        Key::Account(AccountId::from_raw(0)),
        Key::Credential(AccountId::from_raw(0)),
        Key::ApiKey(none),
        Key::ApiKeyById(KeyId::from_raw(0)),
        Key::Park(AccountId::from_raw(0)),
        Key::KeyUse(KeyId::from_raw(0)),
        Key::Media(upload),
        Key::MediaByTime(at, upload),
        Key::MediaUse(upload, zero),
        Key::Endpoint(endpoint),
        Key::EndpointHealth(endpoint),
        Key::OauthState(none),
        Key::Batch(zero),
        Key::Target(zero, TargetIx(0)),
        Key::Content(zero, ContentIx(0)),
        Key::Memo(zero, TargetIx(0), StepRef { step: 0, round: 0 }),
        Key::Entry(zero, 0),
        Key::Fetched(zero, none),
        Key::Delivery(endpoint, notice),
        Key::DeliveryAttempt(endpoint, notice, 0),
        Key::NoticeCursor,
        Key::Removing(AccountId::from_raw(0)),
        Key::EndpointSince(endpoint),
        Key::ClockLeap(at, Millis(0)),
        Key::Timer(at, zero),
        Key::Post(PostId::from_raw(0)),
        Key::OldClaim(none),
        Key::Claim(at, none),
        Key::ClaimExpiry(at, none),
        Key::Settled(at, zero),
        Key::Upkeep(none),
        Key::Notice(notice),
        Key::DeliveryDue(endpoint, at, notice),
    ];
    assert!(keys.is_sorted());
    let families: Vec<u8> = keys.iter().map(|key| key.encode()[0]).collect();
    assert_eq!(
        families,
        [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16, 16, 16, 17, 17, 18,
            19, 20, 21, 32, 33, 34, 34, 35, 36, 37, 38, 39
        ],
        "family bytes are persisted"
    );
}

#[test]
fn what_belongs_to_a_batch_lies_together() {
    let batch = BatchId::from_raw(7);
    let ix = TargetIx(24);
    let step = StepRef { step: 9, round: 9 };
    let keys = [
        Key::Batch(batch),
        Key::Target(batch, ix),
        Key::Content(batch, ContentIx(1)),
        Key::Memo(batch, ix, step),
        Key::Entry(batch, 0),
        Key::Entry(batch, 1),
        Key::Fetched(batch, Digest([0; 32])),
        Key::Batch(BatchId::from_raw(8)),
    ];
    assert!(keys.windows(2).all(|pair| pair[0].encode() < pair[1].encode()));
    assert_eq!(Key::decode(&[]), None);
    assert_eq!(Key::decode(&[BATCH, 1, 2]), None);
}
