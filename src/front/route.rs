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
    /// `GET /v1/sandbox/timeline`
    Timeline,
    /// `GET /health`
    Health,
    /// `GET /`
    Index,
    /// `GET /openapi.json`
    OpenApi,
    /// `POST /mcp`, `OPTIONS /mcp`; other methods on it are refused there
    Mcp,
    /// `GET /errors/:code`
    ErrorPage(&'a str),
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

/// The route of a request. Paths are taken as they are: no trailing slash, no decoding.
pub fn route<'a>(method: &str, path: &'a str) -> Route<'a> {
    let mut parts = [""; 6];
    let mut count = 0;
    for part in path.strip_prefix('/').unwrap_or(path).split('/') {
        let Some(slot) = parts.get_mut(count) else { return Route::Nowhere };
        *slot = part;
        count += 1;
    }
    match (method, &parts[..count]) {
        ("POST", ["v1", "posts"] | ["posts"]) => Route::CreatePost,
        ("GET", ["v1", "posts"] | ["posts"]) => Route::ListPosts,
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
        ("GET", ["v1", "sandbox", "timeline"]) => Route::Timeline,
        ("GET" | "HEAD", ["health"]) => Route::Health,
        ("GET", [""]) => Route::Index,
        ("GET", ["openapi.json"]) => Route::OpenApi,
        (_, ["mcp"]) => Route::Mcp,
        ("GET", ["errors", code]) => Route::ErrorPage(code),
        ("GET", ["preflight", rule]) => Route::RulePage(rule),
        ("POST", ["sandbox", "v1", "uploads"]) => Route::SandboxUpload,
        ("POST", ["sandbox", "v1", "posts"]) => Route::SandboxPost,
        ("GET", ["sandbox", "v1", "posts"]) => Route::SandboxPosts,
        ("GET", ["sandbox", "posts", n]) => Route::Landing(n),
        _ => Route::Nowhere,
    }
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
        check("GET /v1/sandbox/timeline", Route::Timeline);
        check("GET /health", Route::Health);
        check("HEAD /health", Route::Health);
        check("GET /", Route::Index);
        check("GET /openapi.json", Route::OpenApi);
        check("POST /mcp", Route::Mcp);
        check("OPTIONS /mcp", Route::Mcp);
        check("GET /mcp", Route::Mcp);
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
            "OPTIONS /v1/posts",
            "POST /v1/posts/post_1",
            "GET /v1/posts/",
            "DELETE /v1/accounts/",
            "GET /v1/posts/post_1/",
            "GET /v1/posts/post_1/x",
            "GET /v1//posts",
            "GET //v1/posts",
            "GET /v2/posts",
            "GET /oauth2/authorize",
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
