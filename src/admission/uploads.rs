//! Uploads: recorded once their bytes are kept, listed, read and deleted.

use super::caller::{Caller, SentKey};
use super::claims::Served;
use super::create::Admission;
use super::faults;
use crate::engine::{Expect, Records};
use crate::model::{
    BatchId, Code, Digest, Fault, MediaId, MediaObject, ProfileId, RequestId, Timestamp,
};
use crate::store::{Key, Order, Record, Write};
use crate::wire::{self, Reply, UploadPlace, UploadQuery};

/// Uploads of one page of a scan.
const PAGE: usize = 256;
/// Uploads looked at for one list: a filter that matches little still ends, with a cursor.
const LOOKED_AT_MAX: usize = 20_000;

/// A file whose bytes are kept and that has no record yet.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Its id.
    pub id: MediaId,
    /// The profile it is for.
    pub profile: ProfileId,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// Its MIME type.
    pub mime: String,
    /// Its size.
    pub bytes: u64,
}

impl Admission {
    /// Records an upload, once for its key: the same file for the same profile is the same request,
    /// however it was framed.
    pub async fn upload(&self, request: &RequestId, key: SentKey<'_>, new: NewUpload) -> Served {
        let same = format!("{}\n{}\n{}", new.digest, new.mime, new.profile);
        let this = self.clone();
        let plan = move || this.plan_upload(&new);
        let route = ("POST", "/v1/media");
        self.recorded(request, key, route, same.as_bytes(), false, plan).await
    }

    fn plan_upload(&self, new: &NewUpload) -> Result<(Records, Reply), Fault> {
        let now = (self.options.now)();
        let profile = Key::Profile(new.profile);
        let owner = self.options.store.get(&profile).map_err(|e| faults::unreadable(&e))?;
        let owner = owner.ok_or_else(|| {
            Fault::new(Code::NotFound, format!("there is no profile {}", new.profile))
                .rule("profile.unknown")
                .remedy("GET /v1/profiles lists the profiles there are.")
        })?;
        let object = MediaObject {
            id: new.id,
            profile: new.profile,
            digest: new.digest,
            mime: new.mime.clone(),
            bytes: new.bytes,
            created_at: now,
        };
        let key = Key::Media(new.id);
        let reply = wire::upload_reply(201, &object, &self.options.media_links.url(&object, now));
        let records = Records {
            expect: vec![Expect::Is(profile, Some(owner)), Expect::Is(key, None)],
            writes: vec![
                Write::Put(Key::MediaByTime(now, new.id), Record::Mark),
                Write::Put(key, Record::Media(object)),
            ],
            ..Records::default()
        };
        Ok((records, reply))
    }

    /// One upload.
    ///
    /// # Errors
    /// `not_found`, or when it cannot be read.
    pub async fn get_upload(&self, caller: &Caller, id: &str) -> Result<Reply, Fault> {
        let (caller, id) = (caller.clone(), id.to_owned());
        let object = self.off(move |this| this.find_upload(&caller, &id)).await?;
        self.durable().await?;
        let url = self.options.media_links.url(&object, (self.options.now)());
        Ok(wire::upload_reply(200, &object, &url))
    }

    /// One page of uploads, newest first.
    ///
    /// # Errors
    /// A query that is not sound, or when a record cannot be read.
    pub async fn list_uploads(&self, caller: &Caller, query: &str) -> Result<Reply, Fault> {
        let mut query = wire::parse_uploads(query)?;
        match (caller.key.profile, query.profile) {
            (Some(own), Some(asked)) if asked != Some(own) => return Err(out_of_scope()),
            (Some(own), _) => query.profile = Some(Some(own)),
            (None, _) => {}
        }
        let (page, next) = self.off(move |this| this.uploads_page(&query)).await?;
        self.durable().await?;
        let now = (self.options.now)();
        let address = |object: MediaObject| {
            let url = self.options.media_links.url(&object, now);
            (object, url)
        };
        let page: Vec<(MediaObject, String)> = page.into_iter().map(address).collect();
        Ok(wire::uploads_reply(&page, next))
    }

    fn uploads_page(
        &self,
        query: &UploadQuery,
    ) -> Result<(Vec<MediaObject>, Option<UploadPlace>), Fault> {
        let store = &self.options.store;
        let first = Key::MediaByTime(Timestamp::from_millis(i64::MIN), MediaId::LOWEST);
        let last = Key::MediaByTime(Timestamp::from_millis(i64::MAX), MediaId::HIGHEST);
        let mut to = query.cursor.map_or(last, |(at, id)| Key::MediaByTime(at, id));
        let (mut found, mut looked_at, mut ended) = (Vec::new(), 0, query.cursor);
        loop {
            let page = store.scan(&first, &to, Order::Descending, PAGE);
            let page = page.map_err(|problem| faults::unreadable(&problem))?;
            let whole = page.len() == PAGE;
            let marks = page.into_iter().filter_map(|(key, _)| match key {
                Key::MediaByTime(at, id) => Some((at, id)),
                _ => None,
            });
            // A scan begins at its bound, which the last one ended with.
            for (at, id) in marks.filter(|place| Some(*place) != ended).collect::<Vec<_>>() {
                if looked_at == LOOKED_AT_MAX {
                    return Ok((found, ended));
                }
                let record = store.get(&Key::Media(id)).map_err(|e| faults::unreadable(&e))?;
                if let Some(Record::Media(object)) = record
                    && query.profile.is_none_or(|profile| profile == Some(object.profile))
                {
                    // One more than is asked for says that there is more.
                    if found.len() == query.limit {
                        return Ok((found, ended));
                    }
                    found.push(object);
                }
                looked_at += 1;
                ended = Some((at, id));
            }
            match ended {
                Some((at, id)) if whole => to = Key::MediaByTime(at, id),
                _ => return Ok((found, None)),
            }
        }
    }

    /// Deletes an upload that no unsettled post needs.
    pub async fn delete_upload(
        &self,
        caller: &Caller,
        request: &RequestId,
        key: Option<&str>,
        id: &str,
    ) -> Served {
        let key = caller.sent(key);
        let (this, caller, wanted) = (self.clone(), caller.clone(), id.to_owned());
        let plan = move || this.plan_deletion(&caller, &wanted);
        let route = format!("/v1/media/{id}");
        self.recorded(request, key, ("DELETE", &route), &[], false, plan).await
    }

    fn plan_deletion(&self, caller: &Caller, id: &str) -> Result<(Records, Reply), Fault> {
        let object = self.find_upload(caller, id)?;
        let id = object.id;
        let (from, to) = (
            Key::MediaUse(id, BatchId::from_raw(0)),
            Key::MediaUse(id, BatchId::from_raw(u128::MAX)),
        );
        let used = self.options.store.scan(&from, &to, Order::Ascending, 1);
        let used = used.map_err(|problem| faults::unreadable(&problem))?;
        if let Some((Key::MediaUse(_, batch), _)) = used.first() {
            return Err(in_use(id, *batch));
        }
        let key = Key::Media(id);
        let mark = Key::MediaByTime(object.created_at, id);
        let records = Records {
            // A post that is accepted before this is written needs the upload.
            expect: vec![Expect::Nothing(from, to), Expect::Is(key, Some(Record::Media(object)))],
            writes: vec![Write::Delete(key), Write::Delete(mark)],
            ..Records::default()
        };
        Ok((records, wire::deleted_reply(id)))
    }

    /// The upload of an id, if this caller may know of it.
    fn find_upload(&self, caller: &Caller, id: &str) -> Result<MediaObject, Fault> {
        let wanted: MediaId = id.parse().map_err(|_| none(id))?;
        let found = self.options.store.get(&Key::Media(wanted));
        let found = found.map_err(|problem| faults::unreadable(&problem))?;
        let Some(Record::Media(object)) = found else { return Err(none(id)) };
        match caller.key.profile {
            Some(own) if own != object.profile => Err(none(id).rule("api_key.profile_scope")),
            _ => Ok(object),
        }
    }
}

/// The fault of a key that is limited to another profile than it asks for.
pub fn out_of_scope() -> Fault {
    Fault::new(Code::NotFound, "this API key is limited to another profile")
        .rule("api_key.profile_scope")
        .remedy("Leave profileId out, or use a key that spans the organization.")
}

fn none(id: &str) -> Fault {
    let shown: String = id.chars().take(64).collect();
    Fault::new(Code::NotFound, format!("there is no upload {shown:?}"))
        .remedy("GET /v1/media lists the uploads there are.")
}

fn in_use(id: MediaId, batch: BatchId) -> Fault {
    let message = format!("{id} is needed by a post of {batch} that has not gone out yet");
    faults::conflict(
        "media.in_use",
        message,
        "Cancel the post, give it other media, or wait until it has gone out.",
    )
}
