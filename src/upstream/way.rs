//! What any way outward can do.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use tokio::fs::File;

use super::client::{FetchFault, Fetched, Hook, HookAnswer, HookFault, HttpUpstream};
use crate::model::{Millis, Secret};
use crate::platforms::{Answer, Request};

/// Something that is under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way outward. `HttpUpstream` has sockets; the simulation has a world of its own.
pub trait Upstream: std::fmt::Debug + Send + Sync {
    /// Sends one request, once. `media` is the file of a `Body::Media`, with its size.
    fn send<'a>(
        &'a self,
        request: &'a Request,
        token: Option<&'a Secret>,
        media: Option<(&'a Path, u64)>,
        timeout: Millis,
    ) -> Pending<'a, Answer>;

    /// Fetches a file to disk, following a few redirects, guarding every hop. All of it together
    /// takes no longer than `timeout`.
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        bytes_max: u64,
        into: &'a mut File,
        timeout: Millis,
    ) -> Pending<'a, Result<Fetched, FetchFault>>;

    /// Delivers to a webhook endpoint, once, following no redirect.
    fn deliver<'a>(
        &'a self,
        hook: &'a Hook,
        timeout: Millis,
    ) -> Pending<'a, Result<HookAnswer, HookFault>>;
}

impl Upstream for HttpUpstream {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        token: Option<&'a Secret>,
        media: Option<(&'a Path, u64)>,
        timeout: Millis,
    ) -> Pending<'a, Answer> {
        Box::pin(self.send_once(request, token, media, timeout))
    }

    fn fetch<'a>(
        &'a self,
        url: &'a str,
        bytes_max: u64,
        into: &'a mut File,
        timeout: Millis,
    ) -> Pending<'a, Result<Fetched, FetchFault>> {
        Box::pin(self.fetch_file(url, bytes_max, into, timeout))
    }

    fn deliver<'a>(
        &'a self,
        hook: &'a Hook,
        timeout: Millis,
    ) -> Pending<'a, Result<HookAnswer, HookFault>> {
        Box::pin(self.deliver_once(hook, timeout))
    }
}
