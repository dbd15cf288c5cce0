//! A webhook endpoint for trying things out: it hears what is delivered and says yes.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::Request;

use super::arriving::Arriving;
use super::reply::{self, Words};
use super::server::{HangUp, Service};

/// One delivery as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event's type.
    pub kind: String,
    /// The contract's signature.
    pub signature: String,
    /// The body: the event.
    pub body: Vec<u8>,
}

/// Bytes of an event that are read: far above any that this server sends.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// A service that hands on what it hears and answers each with `status`.
pub fn listening(
    words: Arc<Words>,
    status: u16,
    heard: Arc<dyn Fn(Delivery) + Send + Sync>,
) -> Service {
    Arc::new(move |request| {
        let (words, heard) = (Arc::clone(&words), Arc::clone(&heard));
        Box::pin(async move {
            let id = words.request_id(request.headers());
            let delivery = read(request).await?;
            heard(delivery);
            let mut answer = reply::json(status, "{}");
            reply::name(&mut answer, &id);
            Ok(answer)
        })
    })
}

async fn read(request: Request<Arriving>) -> Result<Delivery, HangUp> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (kind, signature) = (header("x-letmepost-event"), header("x-letmepost-signature"));
    let body = http_body_util::Limited::new(request.into_body(), EVENT_BYTES_MAX);
    let body = body.collect().await.map_err(|_| HangUp)?.to_bytes().to_vec();
    Ok(Delivery { kind, signature, body })
}
