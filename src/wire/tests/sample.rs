//! A batch to speak of.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    Account, AccountId, Batch, BatchId, Content, ContentIx, Cursor, Digest, KeyId, MediaItem,
    MediaKind, MediaSource, Platform, PostId, ProfileId, ReplyState, RequestId, Target, Timestamp,
};
use crate::wire::Links;

/// Noon of the day the publishing guide speaks of.
pub const NOON: Timestamp = Timestamp::from_millis(1_778_932_800_000);

pub fn links() -> Links {
    Links { base: "http://h".to_owned() }
}

pub fn batch(cursors: Vec<Cursor>, scheduled_at: Option<Timestamp>) -> Batch {
    let content = Content { text: "shipped".to_owned(), media: media(), ..Content::default() };
    Batch {
        id: BatchId::from_raw(1),
        created_at: NOON,
        request_id: RequestId::from_caller("req-1").expect("well formed"),
        key: KeyId::from_raw(1),
        test: false,
        scheduled_at,
        claim: None,
        reply: ReplyState::Given,
        contents: BTreeMap::from([(ContentIx(0), Arc::new(content))]),
        targets: (1..)
            .zip(cursors)
            .map(|(n, cursor)| Arc::new(target(n, cursor, scheduled_at)))
            .collect(),
        entries: 1,
    }
}

fn media() -> Vec<MediaItem> {
    let item = |alt: Option<&str>, source| MediaItem {
        kind: MediaKind::Image,
        alt_text: alt.map(str::to_owned),
        source,
    };
    vec![
        item(Some("a chart"), MediaSource::Url("https://e.org/a".to_owned())),
        item(None, MediaSource::Inline(Digest([1; 32]))),
        item(Some(""), MediaSource::Upload("med_0123456789abcdefABCDEF".parse().expect("an id"))),
    ]
}

fn target(n: u128, cursor: Cursor, due: Option<Timestamp>) -> Target {
    Target {
        post: PostId::from_raw(n),
        account: AccountId::from_raw(n),
        profile: ProfileId::from_raw(9),
        platform: Platform::Bluesky,
        definition: Digest([0; 32]),
        content: ContentIx(0),
        cursor,
        due,
        timed_by: None,
        started_at: None,
        lateness: None,
        attempts: 0,
        step_attempts: 0,
        step_spent: 0,
        step_reauths: 0,
        absences: 0,
        doubt_since: None,
        memo: BTreeMap::new(),
        receipt: None,
        comment: None,
        warnings: Vec::new(),
        last_fault: None,
        published_at: None,
        updated_at: NOON,
    }
}

pub fn account() -> Account {
    Account {
        id: AccountId::from_raw(1),
        profile: ProfileId::from_raw(9),
        platform: Platform::Bluesky,
        platform_account_id: "did:plc:abc".to_owned(),
        display_name: None,
        settings: r#"{"pdsUrl":"https://secret.example"}"#.to_owned(),
        token_expires_at: None,
        created_at: NOON,
        updated_at: NOON,
    }
}
