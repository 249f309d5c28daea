use anyhow::Context;
use axum::Router;
use axum::routing::{MethodFilter, on};
use nova_auth_client::AuthClient;

use crate::proxy::{Proxy, Upstream};

/// Where the services behind the gateway are, as `http://HOST:PORT`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "a field per service")]
pub struct Upstreams {
    pub auth: String,
    pub user: String,
    pub content: String,
    pub feed: String,
}

/// Whether a route needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Public,
    Token,
}

#[derive(Debug, Clone, Copy)]
enum To {
    Auth,
    User,
    Content,
    Feed,
}

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const PATCH: MethodFilter = MethodFilter::PATCH;
const DELETE: MethodFilter = MethodFilter::DELETE;

/// Everything that can be reached from outside. What isn't here is not found, a command of one
/// service to another above all.
const ROUTES: &[(MethodFilter, &str, To, Access)] = &[
    (POST, "/api/v1/auth/register", To::Auth, Access::Public),
    (POST, "/api/v1/auth/login", To::Auth, Access::Public),
    (POST, "/api/v1/auth/refresh", To::Auth, Access::Public),
    (POST, "/api/v1/auth/logout", To::Auth, Access::Token),
    (GET, "/.well-known/jwks.json", To::Auth, Access::Public),
    (DELETE, "/api/v1/users/me", To::Auth, Access::Token),
    (GET, "/api/v1/users/{id}", To::User, Access::Token),
    (PUT, "/api/v1/users/{id}/follow", To::User, Access::Token),
    (DELETE, "/api/v1/users/{id}/follow", To::User, Access::Token),
    (GET, "/api/v1/users/{id}/followers", To::User, Access::Token),
    (GET, "/api/v1/users/{id}/following", To::User, Access::Token),
    (POST, "/api/v1/posts", To::Content, Access::Token),
    (GET, "/api/v1/posts/{id}", To::Content, Access::Token),
    (PATCH, "/api/v1/posts/{id}", To::Content, Access::Token),
    (DELETE, "/api/v1/posts/{id}", To::Content, Access::Token),
    (GET, "/api/v1/feed", To::Feed, Access::Token),
];

pub(crate) fn router(
    proxy: &Proxy,
    upstreams: &Upstreams,
    auth: &AuthClient,
) -> anyhow::Result<Router> {
    let upstream = |name: &'static str, url: &str| {
        Upstream::new(proxy, url).with_context(|| format!("the address of the {name} service"))
    };
    let to_auth = upstream("auth", &upstreams.auth)?;
    let to_user = upstream("user", &upstreams.user)?;
    let to_content = upstream("content", &upstreams.content)?;
    let to_feed = upstream("feed", &upstreams.feed)?;
    let of = |wanted: Access| {
        ROUTES
            .iter()
            .filter(|(_, _, _, access)| *access == wanted)
            .fold(Router::new(), |router, (method, path, to, _)| {
                let upstream = match to {
                    To::Auth => to_auth.clone(),
                    To::User => to_user.clone(),
                    To::Content => to_content.clone(),
                    To::Feed => to_feed.clone(),
                };
                router.route(
                    path,
                    on(*method, move |method, uri, headers, body| {
                        upstream.clone().forward(method, uri, headers, body)
                    }),
                )
            })
    };
    Ok(of(Access::Public).merge(of(Access::Token).route_layer(auth.layer())))
}
