//! Samples of what the world is told.

use super::super::{FetchedRecord, Key, OauthStateRecord, Record};
use super::Maker;
use crate::model::*;

impl Maker {
    pub(super) fn delivery_key(&mut self, kind: u64) -> Key {
        let endpoint = EndpointId::from_raw(self.wide());
        let notice = NoticeId::from_raw(self.wide());
        match kind {
            27 => Key::Delivery(endpoint, notice),
            28 => Key::DeliveryAttempt(endpoint, notice, self.num() as u32),
            29 => Key::NoticeCursor,
            30 => Key::Notice(notice),
            _ => Key::DeliveryDue(endpoint, self.at(), notice),
        }
    }

    fn kind(&mut self) -> NoticeKind {
        NoticeKind::ALL[self.below(19) as usize]
    }

    /// A record of a notice, an endpoint or a delivery.
    pub(super) fn told(&mut self, key: &Key) -> Record {
        match key {
            Key::Endpoint(id) => Record::Endpoint(Endpoint {
                id: *id,
                url: self.text(),
                kinds: self.some(3, Self::kind),
                description: self.maybe(Self::text),
                active: self.below(2) == 0,
                secret: self.text().into_bytes(),
                retiring: self
                    .maybe(|it| RetiringSecret { secret: it.text().into_bytes(), until: it.at() }),
                created_at: self.at(),
                updated_at: self.at(),
            }),
            Key::EndpointHealth(_) => Record::EndpointHealth(EndpointHealth {
                delivered_at: self.maybe(Self::at),
                failure: self.maybe(Self::text),
            }),
            Key::Delivery(..) => Record::Delivery(Delivery {
                state: match self.below(3) {
                    0 => DeliveryState::Due { at: self.at() },
                    1 => DeliveryState::Delivered { at: self.at() },
                    _ => DeliveryState::Failed { at: self.at(), why: self.text() },
                },
                attempts: self.small(),
                logged: self.small(),
            }),
            Key::DeliveryAttempt(..) => Record::DeliveryAttempt(DeliveryAttempt {
                id: DeliveryId::from_raw(self.wide()),
                number: self.small(),
                kind: self.kind(),
                began_at: self.at(),
                duration: Millis(self.num()),
                status: self.maybe(|it| it.below(600) as u16),
                error: self.maybe(Self::text),
                answer: self.maybe(Self::text),
                ok: self.below(2) == 0,
            }),
            Key::NoticeCursor | Key::EndpointSince(_) => {
                Record::NoticeCursor(NoticeId::from_raw(self.wide()))
            }
            _ => {
                let id = match key {
                    Key::Notice(id) => *id,
                    _ => NoticeId::from_raw(self.wide()),
                };
                Record::Notice(Notice {
                    id,
                    kind: self.kind(),
                    at: self.at(),
                    request: self.maybe(Self::request_id),
                    data: self.text(),
                })
            }
        }
    }

    /// A record of an upload, a fetched address, or what is known of a key or a connect.
    pub(super) fn kept(&mut self, key: &Key) -> Record {
        match key {
            Key::KeyUse(_) => Record::KeyUse(self.at()),
            Key::Media(id) => Record::Media(MediaObject {
                id: *id,
                profile: ProfileId::from_raw(self.wide()),
                digest: self.digest(),
                mime: self.text(),
                bytes: self.num(),
                created_at: self.at(),
            }),
            Key::OauthState(_) => Record::OauthState(OauthStateRecord {
                sealed: self.text().into_bytes(),
                expires_at: self.at(),
            }),
            _ => Record::Fetched(FetchedRecord {
                digest: self.digest(),
                mime: self.maybe(Self::text),
                bytes: self.num(),
            }),
        }
    }
}
