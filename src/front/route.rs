//! Which request is meant: method and path as one value.

/// Every request there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// `POST /v1/posts`
    CreatePost,
    /// `GET /v1/posts`
    ListPosts,
    /// `GET /v1/posts/:id`, with a post's or a batch's id
    ReadPost(&'a str),
    /// `PATCH /v1/posts/:id`
    PatchPost(&'a str),
    /// `DELETE /v1/posts/:id`
    CancelPost(&'a str),
    /// `POST /v1/posts/validate`
    ValidatePost,
    /// `POST /v1/posts/:id/retry`
    RetryPost(&'a str),
    /// `/v1/profiles`
    Profiles(ProfileRoute<'a>),
    /// `/v1/api-keys`
    Keys(KeyRoute<'a>),
    /// `/v1/webhook-endpoints`
    Hooks(HookRoute<'a>),
    /// `/v1/media`
    Media(MediaRoute<'a>),
    /// `GET /media/:name`: where the address of an upload leads
    MediaFile(&'a str),
    /// `GET /v1/events`
    Events,
    /// `GET /v1/platform-versions`
    PlatformVersions,
    /// `GET /v1/accounts`
    ListAccounts,
    /// `GET /v1/accounts/:id`
    ReadAccount(&'a str),
    /// `DELETE /v1/accounts/:id`
    RemoveAccount(&'a str),
    /// `POST /v1/accounts/connect/:platform`
    DescribeConnect(&'a str),
    /// `POST /v1/accounts/connect/:platform/complete`
    CompleteConnect(&'a str),
    /// `GET /v1/accounts/oauth/:platform/callback`: where a platform sends people back to
    OauthCallback(&'a str),
    /// `/v1/accounts/:id/pinterest`
    Boards(BoardRoute<'a>),
    /// What Meta asks of whoever has an app there
    Meta(MetaRoute),
    /// `GET /v1/sandbox/timeline`
    Timeline,
    /// `GET /health`
    Health,
    /// `GET /livez`
    Live,
    /// `GET /readyz`
    Ready,
    /// `OPTIONS` on any path: a browser asks what it may do
    Preflight,
    /// `GET /sandbox/:platform/:cid`: where the address of a test key's post leads
    Rehearsed(&'a str),
    /// `GET /`
    Index,
    /// `GET /openapi.json`
    OpenApi,
    /// `POST /mcp`, `OPTIONS /mcp`; other methods on it are refused there
    Mcp,
    /// `GET /errors`
    ErrorIndex,
    /// `GET /errors/:code`
    ErrorPage(&'a str),
    /// `GET /preflight`
    RuleIndex,
    /// `GET /preflight/:rule`
    RulePage(&'a str),
    /// `POST /sandbox/v1/uploads`: from here on the platform's side of the sandbox.
    SandboxUpload,
    /// `POST /sandbox/v1/posts`
    SandboxPost,
    /// `GET /sandbox/v1/posts`
    SandboxPosts,
    /// `GET /sandbox/posts/:n`: where a landing's permalink leads, for those who may read posts
    Landing(&'a str),
    /// Anything else, a wrong method on a known path included.
    Nowhere,
}

/// A request about profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileRoute<'a> {
    /// `POST /v1/profiles`
    Create,
    /// `GET /v1/profiles`
    List,
    /// `GET /v1/profiles/:id`
    Read(&'a str),
    /// `PATCH /v1/profiles/:id`
    Patch(&'a str),
    /// `DELETE /v1/profiles/:id`
    Remove(&'a str),
}

/// A request about a Pinterest account's boards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoardRoute<'a> {
    /// `GET /v1/accounts/:id/pinterest/boards`
    List(&'a str),
    /// `POST /v1/accounts/:id/pinterest/boards`
    Create(&'a str),
    /// `PATCH /v1/accounts/:id/pinterest/default-board`
    SetDefault(&'a str),
}

/// A request about API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRoute<'a> {
    /// `POST /v1/api-keys`
    Create,
    /// `GET /v1/api-keys`
    List,
    /// `DELETE /v1/api-keys/:id`
    Revoke(&'a str),
}

/// A request about webhook endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookRoute<'a> {
    /// `POST /v1/webhook-endpoints`
    Create,
    /// `GET /v1/webhook-endpoints`
    List,
    /// `GET /v1/webhook-endpoints/:id`
    Read(&'a str),
    /// `PATCH /v1/webhook-endpoints/:id`
    Patch(&'a str),
    /// `DELETE /v1/webhook-endpoints/:id`
    Remove(&'a str),
    /// `POST /v1/webhook-endpoints/:id/test`
    Test(&'a str),
    /// `POST /v1/webhook-endpoints/:id/rotate-secret`
    Rotate(&'a str),
    /// `POST /v1/webhook-endpoints/:id/redeliver`
    Redeliver(&'a str),
    /// `GET /v1/webhook-endpoints/:id/deliveries`
    Deliveries(&'a str),
}

/// A request about uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaRoute<'a> {
    /// `POST /v1/media`
    Upload,
    /// `GET /v1/media`
    List,
    /// `GET /v1/media/:id`
    Read(&'a str),
    /// `DELETE /v1/media/:id`
    Remove(&'a str),
}

/// A request of Meta's, or of a person whom it sends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaRoute {
    /// `POST /data-deletion/meta`
    DeleteData,
    /// `GET /data-deletion/status`
    DeletionStatus,
    /// `POST /deauth/meta`
    Deauthorize,
}

/// The route of a request. Paths are taken as they are: no trailing slash, no decoding.
pub fn route<'a>(method: &str, path: &'a str) -> Route<'a> {
    let mut parts = [""; 6];
    let mut count = 0;
    for part in path.strip_prefix('/').unwrap_or(path).split('/') {
        let Some(slot) = parts.get_mut(count) else { return Route::Nowhere };
        *slot = part;
        count += 1;
    }
    // The door for agents is open to pages of any origin, and says so itself.
    if method == "OPTIONS" && parts[..count] != ["mcp"] {
        return Route::Preflight;
    }
    match (method, &parts[..count]) {
        ("POST", ["v1", "posts"] | ["posts"]) => Route::CreatePost,
        ("GET", ["v1", "posts"] | ["posts"]) => Route::ListPosts,
        ("POST", ["v1", "posts", "validate"] | ["posts", "validate"]) => Route::ValidatePost,
        ("POST", ["v1", "posts", id, "retry"] | ["posts", id, "retry"]) => Route::RetryPost(id),
        (method, ["v1", "posts", id] | ["posts", id]) if !id.is_empty() => match method {
            "GET" => Route::ReadPost(id),
            "PATCH" => Route::PatchPost(id),
            "DELETE" => Route::CancelPost(id),
            _ => Route::Nowhere,
        },
        ("GET", ["v1", "accounts"]) => Route::ListAccounts,
        ("GET", ["v1", "accounts", id]) if !id.is_empty() => Route::ReadAccount(id),
        ("DELETE", ["v1", "accounts", id]) if !id.is_empty() => Route::RemoveAccount(id),
        ("POST", ["v1", "accounts", "connect", platform]) => Route::DescribeConnect(platform),
        ("POST", ["v1", "accounts", "connect", platform, "complete"]) => {
            Route::CompleteConnect(platform)
        }
        ("GET", ["v1", "accounts", "oauth", platform, "callback"]) => {
            Route::OauthCallback(platform)
        }
        (method, ["v1", "accounts", id, "pinterest", rest]) if !id.is_empty() => {
            boards(method, id, rest)
        }
        (method, ["v1", "profiles", rest @ ..]) => profiles(method, rest),
        (method, ["v1", "api-keys", rest @ ..]) => keys(method, rest),
        (method, ["v1", "webhook-endpoints", rest @ ..]) => hooks(method, rest),
        (method, ["v1", "media", rest @ ..]) => media(method, rest),
        ("GET" | "HEAD", ["media", name]) if !name.is_empty() => Route::MediaFile(name),
        ("POST", ["data-deletion", "meta"]) => Route::Meta(MetaRoute::DeleteData),
        ("GET", ["data-deletion", "status"]) => Route::Meta(MetaRoute::DeletionStatus),
        ("POST", ["deauth", "meta"]) => Route::Meta(MetaRoute::Deauthorize),
        ("GET", ["v1", "events"]) => Route::Events,
        ("GET", ["v1", "platform-versions"]) => Route::PlatformVersions,
        ("GET", ["v1", "sandbox", "timeline"]) => Route::Timeline,
        ("GET" | "HEAD", ["health"]) => Route::Health,
        ("GET" | "HEAD", ["livez"]) => Route::Live,
        ("GET" | "HEAD", ["readyz"]) => Route::Ready,
        ("GET", [""]) => Route::Index,
        ("GET", ["openapi.json"]) => Route::OpenApi,
        (_, ["mcp"]) => Route::Mcp,
        ("GET", ["errors"]) => Route::ErrorIndex,
        ("GET", ["preflight"]) => Route::RuleIndex,
        ("GET", ["errors", code]) => Route::ErrorPage(code),
        ("GET", ["preflight", rule]) => Route::RulePage(rule),
        ("POST", ["sandbox", "v1", "uploads"]) => Route::SandboxUpload,
        ("POST", ["sandbox", "v1", "posts"]) => Route::SandboxPost,
        ("GET", ["sandbox", "v1", "posts"]) => Route::SandboxPosts,
        ("GET", ["sandbox", "posts", n]) => Route::Landing(n),
        ("GET", ["sandbox", platform, cid]) if cid.starts_with("sandbox_") => {
            Route::Rehearsed(platform)
        }
        _ => Route::Nowhere,
    }
}

fn boards<'a>(method: &str, id: &'a str, rest: &str) -> Route<'a> {
    Route::Boards(match (method, rest) {
        ("GET", "boards") => BoardRoute::List(id),
        ("POST", "boards") => BoardRoute::Create(id),
        ("PATCH", "default-board") => BoardRoute::SetDefault(id),
        _ => return Route::Nowhere,
    })
}

fn profiles<'a>(method: &str, rest: &[&'a str]) -> Route<'a> {
    Route::Profiles(match (method, rest) {
        ("POST", []) => ProfileRoute::Create,
        ("GET", []) => ProfileRoute::List,
        ("GET", [id]) if !id.is_empty() => ProfileRoute::Read(id),
        ("PATCH", [id]) if !id.is_empty() => ProfileRoute::Patch(id),
        ("DELETE", [id]) if !id.is_empty() => ProfileRoute::Remove(id),
        _ => return Route::Nowhere,
    })
}

fn keys<'a>(method: &str, rest: &[&'a str]) -> Route<'a> {
    Route::Keys(match (method, rest) {
        ("POST", []) => KeyRoute::Create,
        ("GET", []) => KeyRoute::List,
        ("DELETE", [id]) if !id.is_empty() => KeyRoute::Revoke(id),
        _ => return Route::Nowhere,
    })
}

fn hooks<'a>(method: &str, rest: &[&'a str]) -> Route<'a> {
    Route::Hooks(match (method, rest) {
        ("POST", []) => HookRoute::Create,
        ("GET", []) => HookRoute::List,
        ("GET", [id]) if !id.is_empty() => HookRoute::Read(id),
        ("PATCH", [id]) if !id.is_empty() => HookRoute::Patch(id),
        ("DELETE", [id]) if !id.is_empty() => HookRoute::Remove(id),
        ("POST", [id, "test"]) => HookRoute::Test(id),
        ("POST", [id, "rotate-secret"]) => HookRoute::Rotate(id),
        ("POST", [id, "redeliver"]) => HookRoute::Redeliver(id),
        ("GET", [id, "deliveries"]) => HookRoute::Deliveries(id),
        _ => return Route::Nowhere,
    })
}

fn media<'a>(method: &str, rest: &[&'a str]) -> Route<'a> {
    Route::Media(match (method, rest) {
        ("POST", []) => MediaRoute::Upload,
        ("GET", []) => MediaRoute::List,
        ("GET", [id]) if !id.is_empty() => MediaRoute::Read(id),
        ("DELETE", [id]) if !id.is_empty() => MediaRoute::Remove(id),
        _ => return Route::Nowhere,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, expected: Route<'_>) {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        assert_eq!(route(method, path), expected, "{request}");
    }

    #[test]
    fn every_route_is_found() {
        check("POST /v1/posts", Route::CreatePost);
        check("POST /posts", Route::CreatePost);
        check("GET /v1/posts", Route::ListPosts);
        check("GET /posts", Route::ListPosts);
        check("GET /v1/posts/post_1", Route::ReadPost("post_1"));
        check("GET /posts/batch_1", Route::ReadPost("batch_1"));
        check("PATCH /v1/posts/post_1", Route::PatchPost("post_1"));
        check("DELETE /posts/post_1", Route::CancelPost("post_1"));
        check("GET /v1/accounts", Route::ListAccounts);
        check("GET /v1/accounts/a", Route::ReadAccount("a"));
        check("DELETE /v1/accounts/a", Route::RemoveAccount("a"));
        check("POST /v1/accounts/connect/bluesky", Route::DescribeConnect("bluesky"));
        check("POST /v1/accounts/connect/bluesky/complete", Route::CompleteConnect("bluesky"));
        check("GET /v1/accounts/oauth/x/callback", Route::OauthCallback("x"));
        check("GET /v1/accounts/a/pinterest/boards", Route::Boards(BoardRoute::List("a")));
        check("POST /v1/accounts/a/pinterest/boards", Route::Boards(BoardRoute::Create("a")));
        let set = "PATCH /v1/accounts/a/pinterest/default-board";
        check(set, Route::Boards(BoardRoute::SetDefault("a")));
        check("POST /data-deletion/meta", Route::Meta(MetaRoute::DeleteData));
        check("GET /data-deletion/status", Route::Meta(MetaRoute::DeletionStatus));
        check("POST /deauth/meta", Route::Meta(MetaRoute::Deauthorize));
        check("GET /v1/sandbox/timeline", Route::Timeline);
        check("OPTIONS /v1/posts", Route::Preflight);
        check("POST /v1/posts/validate", Route::ValidatePost);
        check("POST /v1/posts/post_1/retry", Route::RetryPost("post_1"));
        check("GET /v1/events", Route::Events);
        check("GET /v1/platform-versions", Route::PlatformVersions);
        check("POST /v1/profiles", Route::Profiles(ProfileRoute::Create));
        check("GET /v1/profiles", Route::Profiles(ProfileRoute::List));
        check("GET /v1/profiles/p", Route::Profiles(ProfileRoute::Read("p")));
        check("PATCH /v1/profiles/p", Route::Profiles(ProfileRoute::Patch("p")));
        check("DELETE /v1/profiles/p", Route::Profiles(ProfileRoute::Remove("p")));
        check("POST /v1/api-keys", Route::Keys(KeyRoute::Create));
        check("GET /v1/api-keys", Route::Keys(KeyRoute::List));
        check("DELETE /v1/api-keys/k", Route::Keys(KeyRoute::Revoke("k")));
        check("POST /v1/webhook-endpoints", Route::Hooks(HookRoute::Create));
        check("GET /v1/webhook-endpoints", Route::Hooks(HookRoute::List));
        check("GET /v1/webhook-endpoints/h", Route::Hooks(HookRoute::Read("h")));
        check("PATCH /v1/webhook-endpoints/h", Route::Hooks(HookRoute::Patch("h")));
        check("DELETE /v1/webhook-endpoints/h", Route::Hooks(HookRoute::Remove("h")));
        check("POST /v1/webhook-endpoints/h/test", Route::Hooks(HookRoute::Test("h")));
        check("POST /v1/webhook-endpoints/h/rotate-secret", Route::Hooks(HookRoute::Rotate("h")));
        check("POST /v1/webhook-endpoints/h/redeliver", Route::Hooks(HookRoute::Redeliver("h")));
        check("GET /v1/webhook-endpoints/h/deliveries", Route::Hooks(HookRoute::Deliveries("h")));
        check("GET /livez", Route::Live);
        check("GET /readyz", Route::Ready);
        check("GET /sandbox/bluesky/sandbox_1", Route::Rehearsed("bluesky"));
        check("POST /v1/media", Route::Media(MediaRoute::Upload));
        check("GET /v1/media", Route::Media(MediaRoute::List));
        check("GET /v1/media/med_1", Route::Media(MediaRoute::Read("med_1")));
        check("DELETE /v1/media/med_1", Route::Media(MediaRoute::Remove("med_1")));
        check("GET /media/med_1.png", Route::MediaFile("med_1.png"));
        check("HEAD /media/med_1.png", Route::MediaFile("med_1.png"));
        check("GET /health", Route::Health);
        check("HEAD /health", Route::Health);
        check("GET /", Route::Index);
        check("GET /openapi.json", Route::OpenApi);
        check("POST /mcp", Route::Mcp);
        check("OPTIONS /mcp", Route::Mcp);
        check("GET /mcp", Route::Mcp);
        check("GET /errors", Route::ErrorIndex);
        check("GET /preflight", Route::RuleIndex);
        check("GET /errors/not_found", Route::ErrorPage("not_found"));
        check("GET /preflight/targets-max", Route::RulePage("targets-max"));
        check("POST /sandbox/v1/uploads", Route::SandboxUpload);
        check("POST /sandbox/v1/posts", Route::SandboxPost);
        check("GET /sandbox/v1/posts", Route::SandboxPosts);
        check("GET /sandbox/posts/7", Route::Landing("7"));
    }

    #[test]
    fn anything_else_leads_nowhere() {
        for request in [
            "PUT /v1/posts",
            "get /v1/posts",
            "HEAD /v1/posts",
            "POST /v1/posts/post_1",
            "POST /v1/posts/post_1/again",
            "PUT /v1/profiles",
            "GET /v1/profiles/",
            "PATCH /v1/api-keys/k",
            "GET /v1/webhook-endpoints/h/test",
            "GET /v1/posts/",
            "DELETE /v1/accounts/",
            "GET /v1/posts/post_1/",
            "GET /v1/posts/post_1/x",
            "GET /v1//posts",
            "GET //v1/posts",
            "GET /v2/posts",
            "PATCH /v1/media/med_1",
            "GET /v1/media/",
            "GET /media/",
            "GET /media/../secret-key",
            "POST /media/med_1.png",
            "POST /v1/accounts/oauth/x/callback",
            "GET /oauth2/authorize",
            "GET /data-deletion/meta",
            "POST /data-deletion/status",
            "GET /deauth/meta",
            "POST /data-deletion/facebook",
            "POST /accounts/connect/bluesky",
            "GET /health/",
            "GET /a/b/c/d/e/f/g/h",
            "GET *",
            "CONNECT example.com:443",
        ] {
            check(request, Route::Nowhere);
        }
    }
}
