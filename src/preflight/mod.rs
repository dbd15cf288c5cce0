//! What is allowed, as far as the request alone can tell: the shape rules of every platform.
//!
//! Words: a *violation* is a fault with code `preflight_failed` that names its rule, what was
//! measured, the limit and the remedy. The first one decides a request; all are listed.
//!
//! Deliberately absent: bytes, networks and platforms' answers. Rules that need bytes are the
//! platforms' (`inspect`).

pub mod limits;
mod violation;
mod measure;
mod check;
mod bluesky;
mod sandbox;
mod facebook;
mod instagram;
mod linkedin;
mod pinterest;
mod threads;
mod tiktok;
mod twitter;

#[cfg(test)]
mod tests;

pub use violation::violations_json;

use crate::model::{Content, Fault, Platform};

/// Every shape rule that a content breaks on a platform, in the order they are checked.
pub fn shape(platform: Platform, content: &Content) -> Vec<Fault> {
    match platform {
        Platform::Bluesky => bluesky::shape(content),
        Platform::Sandbox => sandbox::shape(content),
        Platform::Facebook => facebook::shape(content),
        Platform::Instagram => instagram::shape(content),
        Platform::Linkedin => linkedin::shape(content),
        Platform::Pinterest => pinterest::shape(content),
        Platform::Threads => threads::shape(content),
        Platform::Tiktok => tiktok::shape(content),
        Platform::Twitter => twitter::shape(content),
    }
}

/// Whether a platform takes a post without text when it has media.
pub fn takes_media_alone(platform: Platform) -> bool {
    platform != Platform::Linkedin
}
