//! Signed addresses of uploads: whoever has one may fetch the file for a while, and nobody can make
//! one up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::model::{MEDIA_LINK_LIFE, MediaId, MediaObject, Millis, Timestamp};

/// Addresses end on a full hour, so that whoever lists uploads twice gets the same ones and a
/// browser need not fetch them again.
const HOUR_S: i64 = 3_600;

/// Makes and reads addresses of uploads.
#[derive(Clone)]
pub struct MediaLinks {
    key: hmac::Key,
    base: String,
}

/// An address that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaLink {
    /// The upload.
    pub id: MediaId,
    /// How long it can still be fetched.
    pub left: Millis,
}

/// Why an address does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// It was not made here, or was changed since.
    Forged,
    /// Its time is over.
    Expired,
}

impl std::fmt::Debug for MediaLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MediaLinks({})", self.base)
    }
}

impl MediaLinks {
    /// Addresses under `base`, which has no trailing slash, signed with `key`.
    pub const fn new(key: hmac::Key, base: String) -> Self {
        Self { key, base }
    }

    /// An address of an upload that holds for a week, and up to an hour more.
    pub fn url(&self, object: &MediaObject, now: Timestamp) -> String {
        let until_s = now.plus(MEDIA_LINK_LIFE).as_millis() / 1_000;
        let expires_s = (until_s / HOUR_S + 1) * HOUR_S;
        let name = file_name(object);
        let tag = hmac::sign(&self.key, signed(&name, expires_s).as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(tag);
        format!("{}/media/{name}?exp={expires_s}&sig={tag}", self.base)
    }

    /// The upload of an address: the last part of its path, and its query.
    ///
    /// # Errors
    /// See `LinkFault`.
    pub fn read(&self, name: &str, query: &str, now: Timestamp) -> Result<MediaLink, LinkFault> {
        let (mut expires_s, mut tag) = (None, None);
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match key.as_ref() {
                "exp" => expires_s = value.parse::<i64>().ok(),
                "sig" => tag = URL_SAFE_NO_PAD.decode(value.as_ref()).ok(),
                _ => {}
            }
        }
        let (Some(expires_s), Some(tag)) = (expires_s, tag) else {
            return Err(LinkFault::Forged);
        };
        let text = signed(name, expires_s);
        hmac::verify(&self.key, text.as_bytes(), &tag).map_err(|_| LinkFault::Forged)?;
        let id = name.split_once('.').and_then(|(id, _)| id.parse().ok());
        let id = id.ok_or(LinkFault::Forged)?;
        let left = Timestamp::from_millis(expires_s.saturating_mul(1_000)).since(now);
        if left == Millis(0) {
            return Err(LinkFault::Expired);
        }
        Ok(MediaLink { id, left })
    }
}

/// What is signed. A name holds no line break.
fn signed(name: &str, expires_s: i64) -> String {
    format!("{name}\n{expires_s}")
}

fn file_name(object: &MediaObject) -> String {
    format!("{}.{}", object.id, extension(&object.mime))
}

/// The ending that goes with a MIME type: platforms go by it.
fn extension(mime: &str) -> &'static str {
    match mime {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/heic" => "heic",
        "image/heif" => "heif",
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        "video/x-m4v" => "m4v",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, ProfileId};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn links(secret: u8) -> MediaLinks {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[secret; 32]);
        MediaLinks::new(key, "http://localhost".to_owned())
    }

    fn object(mime: &str) -> MediaObject {
        MediaObject {
            id: MediaId::fresh(7),
            profile: ProfileId::from_raw(1),
            digest: Digest([1; 32]),
            mime: mime.to_owned(),
            bytes: 3,
            created_at: NOW,
        }
    }

    fn parts(url: &str) -> (String, String) {
        let (path, query) = url.split_once('?').expect("a query");
        let name = path.strip_prefix("http://localhost/media/").expect("ours");
        (name.to_owned(), query.to_owned())
    }

    #[test]
    fn an_address_holds_for_a_week_and_names_its_type() {
        let url = links(1).url(&object("image/png"), NOW);
        let (name, query) = parts(&url);
        assert_eq!(name, format!("{}.png", MediaId::fresh(7)));
        let link = links(1).read(&name, &query, NOW).expect("it holds");
        assert_eq!(link.id, MediaId::fresh(7));
        assert!(link.left >= MEDIA_LINK_LIFE && link.left <= Millis(7 * 86_400_000 + 3_600_000));
        let soon = NOW.plus(Millis(1));
        assert_eq!(links(1).url(&object("image/png"), soon), url, "the same for an hour");
        let last = NOW.plus(Millis(link.left.0 - 1));
        assert_eq!(links(1).read(&name, &query, last).map(|link| link.left), Ok(Millis(1)));
        let over = NOW.plus(link.left);
        assert_eq!(links(1).read(&name, &query, over), Err(LinkFault::Expired));
        for (mime, end) in [("video/quicktime", ".mov"), ("text/html", ".bin"), ("", ".bin")] {
            assert!(parts(&links(1).url(&object(mime), NOW)).0.ends_with(end), "{mime}");
        }
    }

    #[test]
    fn an_address_that_was_changed_does_not_hold() {
        let (name, query) = parts(&links(1).url(&object("image/png"), NOW));
        let forged = |links: &MediaLinks, name: &str, query: &str| {
            assert_eq!(links.read(name, query, NOW), Err(LinkFault::Forged), "{name}?{query}");
        };
        forged(&links(2), &name, &query);
        forged(&links(1), &name.replace(".png", ".jpg"), &query);
        forged(&links(1), &name.replace("med_0", "med_1"), &query);
        forged(&links(1), "../../secret-key", &query);
        forged(&links(1), &name, "");
        forged(&links(1), &name, &query.replace("exp=1", "exp=2"));
        forged(&links(1), &name, &query.replace("exp=", "exp=x"));
        for place in 0..43 {
            let from = query.len() - 43 + place;
            let other = if query.as_bytes()[from] == b'A' { "Q" } else { "A" };
            let mut bad = query.clone();
            bad.replace_range(from..=from, other);
            forged(&links(1), &name, &bad);
        }
    }
}
