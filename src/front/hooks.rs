//! Webhook endpoints and events over HTTP.

use super::handlers::{Asked, Handlers, blocking};
use super::reply::{self, Answer};
use super::route::HookRoute;
use crate::model::{Code, Fault, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX};
use crate::wire;

/// Answers a request about webhook endpoints.
///
/// # Errors
/// What is answered instead.
pub(super) async fn hooks(
    front: &Handlers,
    asked: Asked,
    route: HookRoute<'_>,
) -> Result<Answer, Fault> {
    match route {
        HookRoute::List | HookRoute::Read(_) | HookRoute::Deliveries(_) => {
            read(front, &asked, route).await
        }
        HookRoute::Test(id) => {
            let path = format!("/v1/webhook-endpoints/{id}/test");
            let (hooks, id) = (front.webhooks.clone(), id.to_owned());
            let work = async move |body: bytes::Bytes| {
                let request = wire::parse_test(&body)?;
                hooks.test(&id, request).await
            };
            front.kept(asked, ("POST", &path), work).await
        }
        HookRoute::Redeliver(id) => {
            let path = format!("/v1/webhook-endpoints/{id}/redeliver");
            let (hooks, id) = (front.webhooks.clone(), id.to_owned());
            let work = async move |body: bytes::Bytes| {
                let request = wire::parse_redeliver(&body)?;
                hooks.redeliver(&id, request).await
            };
            front.kept(asked, ("POST", &path), work).await
        }
        HookRoute::Create | HookRoute::Patch(_) | HookRoute::Remove(_) | HookRoute::Rotate(_) => {
            write(front, asked, route).await
        }
    }
}

async fn read(front: &Handlers, asked: &Asked, route: HookRoute<'_>) -> Result<Answer, Fault> {
    let hooks = front.webhooks.clone();
    let body = match route {
        HookRoute::Read(id) => {
            let id = id.to_owned();
            let (endpoint, health) = blocking(move || hooks.get(&id)).await?;
            wire::endpoint_reply(200, &endpoint, &health, None).body
        }
        HookRoute::Deliveries(id) => {
            let query = asked.request.uri().query().unwrap_or_default();
            let (limit, cursor) = page(query)?;
            let id = id.to_owned();
            blocking(move || hooks.deliveries(&id, limit, cursor.as_deref())).await?
        }
        _ => wire::endpoints_body(&blocking(move || hooks.list()).await?),
    };
    front.durable().await?;
    Ok(reply::json(200, body))
}

async fn write(front: &Handlers, asked: Asked, route: HookRoute<'_>) -> Result<Answer, Fault> {
    let hooks = front.webhooks.clone();
    match route {
        HookRoute::Patch(id) => {
            let path = format!("/v1/webhook-endpoints/{id}");
            let id = id.to_owned();
            front
                .recorded(asked, ("PATCH", &path), false, move |_, body| {
                    hooks.patch(&id, wire::parse_endpoint_patch(body)?)
                })
                .await
        }
        HookRoute::Remove(id) => {
            let path = format!("/v1/webhook-endpoints/{id}");
            let id = id.to_owned();
            front.recorded(asked, ("DELETE", &path), false, move |_, _| hooks.remove(&id)).await
        }
        HookRoute::Rotate(id) => {
            let path = format!("/v1/webhook-endpoints/{id}/rotate-secret");
            let id = id.to_owned();
            front.recorded(asked, ("POST", &path), true, move |_, _| hooks.rotate(&id)).await
        }
        _ => {
            let route = ("POST", "/v1/webhook-endpoints");
            front
                .recorded(asked, route, true, move |_, body| {
                    hooks.create(wire::parse_endpoint(body)?)
                })
                .await
        }
    }
}

/// `GET /v1/events`.
///
/// # Errors
/// What is answered instead.
pub(super) async fn events(front: &Handlers, asked: &Asked) -> Result<Answer, Fault> {
    let query = wire::parse_events(asked.request.uri().query().unwrap_or_default())?;
    let (hooks, own) = (front.webhooks.clone(), asked.caller.key.profile);
    let body = blocking(move || hooks.events(&query, own)).await?;
    front.durable().await?;
    Ok(reply::json(200, body))
}

/// The size of a page and where it begins.
fn page(query: &str) -> Result<(usize, Option<String>), Fault> {
    let mut limit = LIST_LIMIT_DEFAULT;
    let mut cursor = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "limit" => match value.parse::<usize>() {
                Ok(asked) if asked >= 1 => limit = asked.min(LIST_LIMIT_MAX),
                _ => {
                    let message =
                        format!("limit must be a whole number from 1 to {LIST_LIMIT_MAX}");
                    return Err(Fault::new(Code::ValidationFailed, message)
                        .rule("limit")
                        .remedy(format!("Leave it out for {LIST_LIMIT_DEFAULT}.")));
                }
            },
            "cursor" => cursor = Some(value.into_owned()),
            _ => {}
        }
    }
    Ok((limit, cursor))
}
