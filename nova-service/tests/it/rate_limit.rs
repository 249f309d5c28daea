use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request};
use axum::routing::{get as get_route, post};
use axum::{Router, middleware};
use nova_models::{CallContext, Subject};
use nova_service::{
    Command, CommandReply, CommandRouter, Health, RateLimit, RateLimitLayer, ServiceLayer,
    TrustedProxies,
};

use crate::answer::{Answer, ask};
use crate::observed::recorded;

const MINUTE: Duration = Duration::from_secs(60);

fn limit(quota: u32) -> RateLimit {
    RateLimit::new("default", quota, MINUTE).unwrap()
}

fn app(layer: RateLimitLayer) -> Router {
    let app = Router::new()
        .route("/one", get_route(|| async { "one" }))
        .route("/two/{id}", get_route(|| async { "two" }))
        .merge(Health::new("a", "1").router())
        .layer(layer);
    ServiceLayer::new("a").wrap(app)
}

fn request(path: &str, peer: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

async fn from(app: &Router, peer: &str) -> u16 {
    ask(app, request("/one", peer, &[])).await.status
}

fn shown(answer: &Answer) -> String {
    let headers = ["ratelimit-policy", "ratelimit", "retry-after"]
        .map(|name| format!("{name}: {}", answer.header(name)));
    format!("{}\n{}", answer.shown(), headers.join("\n"))
}

#[tokio::test(start_paused = true)]
async fn answers_say_what_is_left_and_a_refusal_when_to_come_back() {
    let app = app(RateLimitLayer::per_address(limit(2)));
    let ask = || {
        let headers = [("x-request-id", "req-1")];
        ask(&app, request("/one", "203.0.113.7:1", &headers))
    };
    insta::assert_snapshot!(shown(&ask().await), @r#"
    200 text/plain; charset=utf-8
    one
    ratelimit-policy: "default";q=2;w=60
    ratelimit: "default";r=1;t=30
    retry-after: 
    "#);
    ask().await;
    insta::assert_snapshot!(shown(&ask().await), @r#"
    429 application/problem+json
    {"type":"about:blank","title":"too many requests","status":429,"detail":"over the limit default of 2 requests in 60 s","instance":"req-1","code":"rate_limited","retryable":true,"retry_after_ms":30000,"violations":[]}
    ratelimit-policy: "default";q=2;w=60
    ratelimit: "default";r=0;t=30
    retry-after: 30
    "#);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(ask().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_command_over_the_limit_is_refused_in_its_envelope_without_an_effect() {
    async fn never(command: Command<u8>) -> CommandReply<u8> {
        command.reply(*command)
    }
    let commands = CommandRouter::new("a").command("count", never);
    let app = commands.build().unwrap();
    let app = app.layer(RateLimitLayer::per_route(limit(1)));
    let app = ServiceLayer::new("a").wrap(app);
    let call = || {
        let request = Request::post("/api/v1/a/count").header("x-request-id", "req-1");
        ask(&app, request.body(Body::empty()).unwrap())
    };
    call().await;
    insta::assert_snapshot!(call().await.shown(), @r#"
    429 application/json
    {"request_id":"req-1","success":false,"data":null,"error":{"code":"rate_limited","message":"over the limit default of 1 requests in 60 s","retryable":true,"effect":"none","retry_after_ms":60000,"violations":[]},"timestamp":"…"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn each_address_has_its_own_quota_whatever_its_port() {
    let app = app(RateLimitLayer::per_address(limit(1)));
    assert_eq!(from(&app, "203.0.113.7:1").await, 200);
    assert_eq!(from(&app, "203.0.113.7:2").await, 429);
    assert_eq!(from(&app, "203.0.113.8:1").await, 200);
    assert_eq!(from(&app, "[2001:db8::1]:1").await, 200);
    assert_eq!(from(&app, "[2001:db8::2]:1").await, 429);
    assert_eq!(from(&app, "[::ffff:203.0.113.8]:1").await, 429);
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_address_counts_only_as_far_as_proxies_are_trusted() {
    let statuses = async |layer: RateLimitLayer| {
        let app = app(layer);
        let mut statuses = Vec::new();
        for forwarded in [
            "6.6.6.1, 203.0.113.7",
            "6.6.6.2, 203.0.113.7",
            "203.0.113.8",
        ] {
            let headers = [("x-forwarded-for", forwarded)];
            let request = request("/one", "10.0.0.1:1", &headers);
            statuses.push(ask(&app, request).await.status);
        }
        statuses
    };
    let layer = RateLimitLayer::per_address(limit(1));
    assert_eq!(statuses(layer).await, [200, 429, 429]);
    let layer = RateLimitLayer::per_address(limit(1)).behind(TrustedProxies::hops(1));
    assert_eq!(statuses(layer).await, [200, 429, 200]);
}

#[tokio::test(start_paused = true)]
async fn junk_in_a_forwarded_header_does_not_hide_what_the_proxy_appended() {
    let layer = RateLimitLayer::per_address(limit(1)).behind(TrustedProxies::hops(1));
    let app = app(layer);
    for (client, junk) in [
        (7, &b"\xff\xfe, 203.0.113.7"[..]),
        (8, b"\xff, 203.0.113.8"),
    ] {
        for expected in [200, 429] {
            let mut request = request("/one", "10.0.0.1:1", &[]);
            let value = HeaderValue::from_bytes(junk).unwrap();
            request.headers_mut().insert("x-forwarded-for", value);
            assert_eq!(ask(&app, request).await.status, expected, "{client}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_subject_has_its_own_quota_and_the_anonymous_one_by_address() {
    // Stands for what verifies the token.
    let verify = middleware::from_fn(|request: Request<Body>, next: middleware::Next| {
        let mut context = CallContext::current().unwrap_or_default();
        let user = request.headers().get("x-user");
        context.subject = user.map(|user| Subject::new(user.to_str().unwrap()));
        context.scope(next.run(request))
    });
    let app = Router::new()
        .route("/one", get_route(|| async {}))
        .layer(RateLimitLayer::per_subject(limit(1)))
        .layer(verify);
    let app = ServiceLayer::new("a").wrap(app);
    let mut statuses = Vec::new();
    for (user, peer) in [
        ("alice", "203.0.113.7:1"),
        ("alice", "203.0.113.8:1"),
        ("bob", "203.0.113.7:1"),
    ] {
        let request = request("/one", peer, &[("x-user", user)]);
        statuses.push(ask(&app, request).await.status);
    }
    assert_eq!(statuses, [200, 429, 200]);
    assert_eq!(from(&app, "203.0.113.7:1").await, 200);
    assert_eq!(from(&app, "203.0.113.7:1").await, 429);
    assert_eq!(from(&app, "203.0.113.9:1").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_route_is_its_pattern_and_a_key_of_ones_own_may_be_absent() {
    let by_route = app(RateLimitLayer::per_route(limit(1)));
    let status = async |app: &Router, path: &str, tenant: Option<&str>| {
        let headers: Vec<_> = tenant.map(|name| ("x-tenant", name)).into_iter().collect();
        ask(app, request(path, "203.0.113.7:1", &headers))
            .await
            .status
    };
    assert_eq!(status(&by_route, "/two/1", None).await, 200);
    assert_eq!(status(&by_route, "/two/2", None).await, 429);
    assert_eq!(status(&by_route, "/one", None).await, 200);

    let by_tenant = RateLimitLayer::per(limit(1), |head| head.headers.get("x-tenant").cloned());
    let by_tenant = app(by_tenant);
    assert_eq!(status(&by_tenant, "/one", Some("a")).await, 200);
    assert_eq!(status(&by_tenant, "/one", Some("a")).await, 429);
    assert_eq!(status(&by_tenant, "/one", Some("b")).await, 200);
    assert_eq!(status(&by_tenant, "/one", None).await, 200);
    assert_eq!(status(&by_tenant, "/one", None).await, 200);
}

#[tokio::test(start_paused = true)]
async fn probes_are_not_counted_and_no_address_is_one_client() {
    let app = app(RateLimitLayer::per_address(limit(1)));
    let without_peer = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    for _ in 0..3 {
        let answer = ask(&app, without_peer("/health/live")).await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, ""));
    }
    assert_eq!(ask(&app, without_peer("/one")).await.status, 200);
    assert_eq!(ask(&app, without_peer("/one")).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn several_limits_each_tell_their_own() {
    let hourly = RateLimit::new("hourly", 100, 60 * MINUTE).unwrap();
    let app = Router::new()
        .route("/one", post(|| async {}))
        .layer(RateLimitLayer::per_address(limit(2)))
        .layer(RateLimitLayer::per_address(hourly));
    let app = ServiceLayer::new("a").wrap(app);
    let answer = ask(&app, Request::post("/one").body(Body::empty()).unwrap()).await;
    let told: Vec<_> = answer.headers.get_all("ratelimit").iter().collect();
    assert_eq!(told, [r#""default";r=1;t=30"#, r#""hourly";r=99;t=36"#]);
}

#[test]
fn what_is_refused_is_counted_by_limit_and_never_by_key() {
    let found = recorded(async {
        let app = app(RateLimitLayer::per_address(limit(1)));
        for peer in [
            "203.0.113.7:1",
            "203.0.113.7:2",
            "203.0.113.8:1",
            "203.0.113.8:2",
        ] {
            from(&app, peer).await;
        }
    });
    let ours: Vec<_> = found
        .lines()
        .filter(|line| line.starts_with("nova_"))
        .collect();
    assert_eq!(ours, [r#"nova_rate_limited_total{limit="default"} 2"#]);
}
