//! Limits on requests.

use std::sync::Arc;
use std::time::Duration;

use nova_service::{LoadShed, LoadShedLayer, ServiceLayer};
use tokio::sync::Notify;

use super::handlers::Dropped;
use super::server::{Framework, Request, Running};

async fn wait(go_on: Arc<Notify>) -> &'static str {
    go_on.notified().await;
    "done"
}

/// A service that does one thing at a time, and whose `/wait` takes until it is told to go on.
async fn shedding(framework: Framework, shed: &LoadShed, go_on: &Arc<Notify>) -> Running {
    let layer = LoadShedLayer::new(shed.clone());
    let go_on = go_on.clone();
    let dropped = Dropped::default();
    match framework {
        Framework::Axum => {
            use axum::routing::get;

            let app = axum::Router::new()
                .route("/wait", get(move || wait(go_on)))
                .route("/quick", get(async || "done"))
                .layer(layer);
            Running::serve(dropped, |listener, shutdown| {
                nova_service::serve(listener, ServiceLayer::new("a").wrap(app), shutdown)
            })
            .await
        }
        #[cfg(feature = "actix")]
        Framework::Actix => {
            use actix_web::web::get;

            let app = move || {
                let go_on = go_on.clone();
                actix_web::App::new()
                    .route("/wait", get().to(move || wait(go_on.clone())))
                    .route("/quick", get().to(async || "done"))
                    .wrap(layer.clone())
                    .wrap(ServiceLayer::new("a"))
            };
            serve_on_actix(dropped, app).await
        }
    }
}

#[cfg(feature = "actix")]
async fn serve_on_actix<F, T, B>(dropped: Dropped, app: F) -> Running
where
    F: Fn() -> actix_web::App<T> + Send + Clone + 'static,
    T: actix_web::dev::ServiceFactory<
            actix_web::dev::ServiceRequest,
            Config = (),
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    T::Service: 'static,
    B: actix_web::body::MessageBody + 'static,
{
    Running::serve(dropped, |listener, shutdown| {
        let server = actix_web::HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .listen(listener.into_std().unwrap())
            .unwrap()
            .run();
        async move { nova_service::actix::serve(server, shutdown).await }
    })
    .await
}

fn get<'a>(path: &'a str, headers: &'a [(&'a str, &'a str)]) -> Request<'a> {
    Request {
        method: "GET",
        path,
        headers,
        body: "",
    }
}

#[tokio::test]
async fn a_service_that_is_full_refuses_alike() {
    let mut answers = Vec::new();
    for framework in Framework::ALL {
        let shed = LoadShed::new("a", 1).unwrap().queue(0);
        let go_on = Arc::new(Notify::new());
        let server = shedding(*framework, &shed, &go_on).await;
        let quick = get("/quick", &[("x-request-id", "req-1")]);
        let slow = get("/wait", &[]);
        let (slow, refused) = tokio::join!(server.send(&slow), async {
            let full = async {
                while shed.running() == 0 {
                    tokio::task::yield_now().await;
                }
            };
            let full = tokio::time::timeout(Duration::from_secs(20), full).await;
            full.unwrap();
            let refused = server.send(&quick).await;
            go_on.notify_one();
            refused
        });
        assert!(slow.starts_with("200"), "{framework:?}: {slow}");
        let served = server.send(&quick).await;
        assert!(served.starts_with("200"), "{framework:?}: {served}");
        answers.push(refused);
        server.stop().await;
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    insta::assert_snapshot!(answers[0], @r#"
    503
      content-type: application/problem+json
      x-request-id: req-1
      retry-after: 1
      content-length: 205
      {"type":"about:blank","title":"service unavailable","status":503,"detail":"too much to do","instance":"req-1","code":"service_unavailable.overloaded","retryable":true,"retry_after_ms":1000,"violations":[]}
    "#);
}

#[cfg(feature = "rate-limit")]
mod rate {
    use super::*;

    use nova_service::{RateLimit, RateLimitLayer};

    async fn limited(framework: Framework) -> Running {
        let limit = RateLimit::new("default", 2, Duration::from_secs(3600)).unwrap();
        let by_address = RateLimitLayer::per_address(limit);
        let limit = RateLimit::new("slow", 1, Duration::from_secs(3600)).unwrap();
        let by_route = RateLimitLayer::per_route(limit);
        let dropped = Dropped::default();
        match framework {
            Framework::Axum => {
                use axum::routing::get;

                let app = axum::Router::new()
                    .route("/posts/{id}", get(async || "post").layer(by_route))
                    .route("/quick", get(async || "done"))
                    .layer(by_address);
                Running::serve(dropped, |listener, shutdown| {
                    nova_service::serve(listener, ServiceLayer::new("a").wrap(app), shutdown)
                })
                .await
            }
            #[cfg(feature = "actix")]
            Framework::Actix => {
                use actix_web::web::{get, resource};

                let app = move || {
                    let posts = resource("/posts/{id}")
                        .route(get().to(async || "post"))
                        .wrap(by_route.clone());
                    actix_web::App::new()
                        .service(posts)
                        .route("/quick", get().to(async || "done"))
                        .wrap(by_address.clone())
                        .wrap(ServiceLayer::new("a"))
                };
                serve_on_actix(dropped, app).await
            }
        }
    }

    /// How long to wait depends on the moment.
    fn without_time(answer: &str) -> String {
        let (answer, _) = answer
            .split_once(",\"retry_after_ms\"")
            .unwrap_or((answer, ""));
        let lines = answer.lines();
        let lines = lines.filter(|line| !line.contains("retry-after") && !line.contains("length"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn a_caller_over_its_limit_is_refused_alike() {
        let mut answers = Vec::new();
        for framework in Framework::ALL {
            let server = limited(*framework).await;
            let mut all = String::new();
            for path in ["/posts/1", "/posts/2", "/quick"] {
                let answer = server.send(&get(path, &[("x-request-id", "req-1")])).await;
                let is_over = answer.starts_with("429");
                assert_eq!(answer.contains("retry-after: "), is_over, "{answer}");
                all += &format!("{path}: {}\n", without_time(&answer));
            }
            answers.push(all);
            server.stop().await;
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        insta::assert_snapshot!(answers[0], @r#"
        /posts/1: 200
          content-type: text/plain; charset=utf-8
          x-request-id: req-1
          ratelimit-policy: "slow";q=1;w=3600
          ratelimit-policy: "default";q=2;w=3600
          post
        /posts/2: 429
          content-type: application/problem+json
          x-request-id: req-1
          ratelimit-policy: "slow";q=1;w=3600
          ratelimit-policy: "default";q=2;w=3600
          {"type":"about:blank","title":"too many requests","status":429,"detail":"over the limit slow of 1 requests in 3600 s","instance":"req-1","code":"rate_limited","retryable":true
        /quick: 429
          content-type: application/problem+json
          x-request-id: req-1
          ratelimit-policy: "default";q=2;w=3600
          {"type":"about:blank","title":"too many requests","status":429,"detail":"over the limit default of 2 requests in 3600 s","instance":"req-1","code":"rate_limited","retryable":true
        "#);
    }
}
