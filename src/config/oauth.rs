//! The sections `[oauth.<platform>]`: the apps that were registered at platforms.

use std::collections::BTreeMap;

use super::ConfigError;
use super::reader::Reader;
use crate::model::{Platform, Secret};
use crate::platforms::oauth::{Client, Endpoints, PROVIDERS, provider};

/// The apps.
#[derive(Debug, Default)]
pub(super) struct Apps {
    /// By platform; one that lacks its id or its secret is not here.
    pub clients: BTreeMap<Platform, Client>,
    /// The secrets of those at Meta, which signs with them what it tells us.
    pub meta_secrets: Vec<Secret>,
}

/// Reads the section of every platform that is connected by consent, and the secret of every app at
/// Meta.
pub(super) fn read(from: &mut Reader) -> Result<Apps, ConfigError> {
    let mut apps = Apps::default();
    let lone = Platform::ALL.into_iter().filter(|it| it.is_of_meta() && provider(*it).is_none());
    for platform in lone {
        apps.sign_with(platform, &from.secret(&format!("oauth.{platform}.client_secret"))?);
    }
    for provider in &PROVIDERS {
        let section = format!("oauth.{}", provider.platform);
        let id =
            from.text(&format!("{section}.client_id"), String::new(), "a text in quotes", |t| {
                Some(t.trim().to_owned())
            })?;
        let secret = from.secret(&format!("{section}.client_secret"))?;
        apps.sign_with(provider.platform, &secret);
        let own = &provider.endpoints;
        let mut url = |name: &str, own: &str| address(from, &format!("{section}.{name}"), own);
        let endpoints = Endpoints {
            authorize_url: url("authorize_url", own.authorize_url)?,
            token_url: url("token_url", own.token_url)?,
            identity_url: url("identity_url", own.identity_url)?,
            api_url: url("api_url", own.api_url)?.trim_end_matches('/').to_owned(),
        };
        if !id.is_empty() && !secret.expose().is_empty() {
            apps.clients.insert(provider.platform, Client { id, secret, endpoints });
        }
    }
    Ok(apps)
}

impl Apps {
    fn sign_with(&mut self, platform: Platform, secret: &Secret) {
        let fresh = !secret.expose().is_empty() && !self.meta_secrets.contains(secret);
        if platform.is_of_meta() && fresh {
            self.meta_secrets.push(secret.clone());
        }
    }
}

/// An address; the platform's own where it is empty.
fn address(from: &mut Reader, key: &str, own: &str) -> Result<String, ConfigError> {
    let expected = "a URL that begins with http:// or https://, or nothing";
    let set = from.text(key, String::new(), expected, |text| {
        let good = text.is_empty()
            || url::Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.fragment().is_none()
            });
        good.then(|| text.to_owned())
    })?;
    Ok(if set.is_empty() { own.to_owned() } else { set })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn load(file: &str, env: &[(&str, &str)]) -> Result<Apps, ConfigError> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut reader = Reader::new(Path::new("FILE"), Some(file), env, &[])?;
        let apps = read(&mut reader)?;
        reader.finish()?;
        Ok(apps)
    }

    #[track_caller]
    fn fails(file: &str, parts: &[&str]) {
        let problem = load(file, &[]).expect_err("must be refused").to_string();
        for part in parts {
            assert!(problem.contains(part), "{problem:?} should contain {part:?}");
        }
        assert!(!problem.contains("5317"), "{problem}");
    }

    #[test]
    fn an_app_is_there_when_its_id_and_its_secret_are() {
        let file = "[oauth.twitter]\nclient_id = \"me\"\ntoken_url = \"http://h/token\"";
        assert!(load(file, &[]).expect("settings").clients.is_empty());
        let env = [("FANFARE_OAUTH_TWITTER_CLIENT_SECRET", "5317")];
        let apps = load(file, &env).expect("settings");
        assert!(apps.meta_secrets.is_empty());
        let clients = apps.clients;
        let client = clients.get(&Platform::Twitter).expect("it is there");
        assert_eq!((client.id.as_str(), client.secret.expose()), ("me", "5317"));
        assert_eq!(client.endpoints.token_url, "http://h/token");
        assert_eq!(client.endpoints.authorize_url, "https://x.com/i/oauth2/authorize");
        assert!(!format!("{clients:?}").contains("5317"));
    }

    #[test]
    fn each_secret_of_an_app_at_meta_is_there_once() {
        let file = "[oauth.facebook]\nclient_secret = \"one\"\n[oauth.threads]\n\
                    client_secret = \"two\"";
        let env = [("FANFARE_OAUTH_INSTAGRAM_CLIENT_SECRET", "one")];
        let apps = load(file, &env).expect("settings");
        assert_eq!(apps.meta_secrets, ["one", "two"].map(Secret::new));
        assert!(load("", &[]).expect("settings").meta_secrets.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_and_a_secret_is_not_shown() {
        fails("[oauth.twitter]\nclient_secret = 5317", &["oauth.twitter.client_secret"]);
        fails("[oauth.twitter]\ntoken_url = \"x\"", &["oauth.twitter.token_url = \"x\"", "http"]);
        let parts = ["unknown key oauth.twitter.client_key", "did you mean oauth.twitter.client_"];
        fails("[oauth.twitter]\nclient_key = \"x\"", &parts);
        fails("[oauth.myspace]\nclient_id = \"x\"", &["unknown key oauth.myspace.client_id"]);
    }
}
