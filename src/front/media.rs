//! Uploads over HTTP, for callers with a key.

use std::sync::Arc;

use super::handlers::{Asked, Handlers, blocking, idempotency_key};
use super::reply::{self, Answer};
use super::route::MediaRoute;
use super::upload::{self, Bounds, Received};
use crate::admission::{self, Caller, NewUpload};
use crate::model::{Code, Fault, MEDIA_BYTES_MAX, MediaId, ProfileId, UPLOAD_PAUSE_MAX};

/// How far an upload may go.
const BOUNDS: Bounds = Bounds { bytes_max: MEDIA_BYTES_MAX, pause_max: UPLOAD_PAUSE_MAX };

/// Answers a request about uploads.
///
/// # Errors
/// What is answered instead.
pub(super) async fn media(
    front: &Handlers,
    asked: Asked,
    route: MediaRoute<'_>,
) -> Result<Answer, Fault> {
    let Asked { caller, id: request, .. } = &asked;
    match route {
        MediaRoute::Upload => upload(front, asked).await,
        MediaRoute::List => {
            let query = asked.request.uri().query().unwrap_or_default();
            let reply = front.admission.list_uploads(caller, query).await?;
            Ok(reply::json(reply.status, reply.body))
        }
        MediaRoute::Read(id) => {
            let reply = front.admission.get_upload(caller, id).await?;
            Ok(reply::json(reply.status, reply.body))
        }
        MediaRoute::Remove(id) => {
            let key = idempotency_key(asked.request.headers())?;
            let served = front.admission.delete_upload(caller, request, key.as_deref(), id).await;
            Ok(front.served(served, request))
        }
    }
}

/// The bytes are kept durably before the record that names them is written.
async fn upload(front: &Handlers, asked: Asked) -> Result<Answer, Fault> {
    let Asked { caller, id: request, request: inbound } = asked;
    let key = idempotency_key(inbound.headers())?;
    let profile = profile(front, &caller, inbound.uri().query().unwrap_or_default()).await?;
    let (head, body) = inbound.into_parts();
    let received = upload::receive(&front.media, &head.headers, body, BOUNDS).await?;
    let Received { incoming, digest, bytes, declared } = received;
    let media = Arc::clone(&front.media);
    let facts = blocking(move || {
        let kept = media.adopt_hashed(&incoming, &digest).and_then(|()| media.facts(&digest));
        kept.map_err(|error| upload::unkept(&error))
    });
    let facts = facts.await?;
    // What the bytes show counts where they show a picture or a film; platforms take nothing else.
    let shown = facts.mime.starts_with("image/") || facts.mime.starts_with("video/");
    let mime = if shown { facts.mime } else { declared };
    let id = MediaId::fresh((front.words.dice)());
    let new = NewUpload { id, profile, digest, mime, bytes };
    let served = front.admission.upload(&request, caller.sent(key.as_deref()), new).await;
    Ok(front.served(served, &request))
}

/// The profile that an upload is for: the key's own, the one asked for, or the default one.
async fn profile(front: &Handlers, caller: &Caller, query: &str) -> Result<ProfileId, Fault> {
    let asked = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "profileId" && !value.is_empty())
        .map(|(_, value)| value.parse::<ProfileId>().map_err(|_| value.into_owned()));
    match (caller.key.profile, asked) {
        (Some(own), None) => Ok(own),
        (Some(own), Some(asked)) if asked == Ok(own) => Ok(own),
        (Some(_), Some(_)) => Err(admission::out_of_scope()),
        (None, None) => front.accounts.default_profile().await,
        (None, Some(Ok(asked))) => {
            let accounts = Arc::clone(&front.accounts);
            blocking(move || accounts.get_profile(asked)).await.map(|profile| profile.id)
        }
        (None, Some(Err(text))) => {
            let shown: String = text.chars().take(64).collect();
            Err(Fault::new(Code::NotFound, format!("there is no profile {shown:?}"))
                .rule("profile.unknown")
                .remedy("GET /v1/profiles lists the profiles there are."))
        }
    }
}
