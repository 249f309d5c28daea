use nova_events::EmbeddedKafka;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::process::{Platform, command};

/// Status and code of a refusal, which must be a problem that names the request.
async fn problem(response: Response) -> (StatusCode, String, Value) {
    let status = response.status();
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(kind, "application/problem+json", "{status}");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status.as_u16());
    assert!(problem["instance"].is_string(), "{problem}");
    (
        status,
        // A reason may follow after a dot.
        problem["code"]
            .as_str()
            .unwrap()
            .split('.')
            .next()
            .unwrap()
            .to_owned(),
        problem,
    )
}

#[tokio::test]
async fn each_bad_input_is_answered_by_its_error_and_the_platform_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut start = command();
    start.arg("--data").arg(folder.path());
    let platform = Platform::run(start).await;
    let token = platform.log_in("edgar").await;

    the_gateway_refuses(&platform, &token).await;
    commands_are_refused(&platform).await;

    let post = platform.post(&token, "still here").await;
    assert!(!post.is_empty());
    platform.kill().await;
}

async fn the_gateway_refuses(platform: &Platform, token: &str) {
    let cases = [
        (
            "no token",
            Method::GET,
            "/api/v1/feed",
            None,
            "",
            401,
            "authentication",
        ),
        (
            "an invalid token",
            Method::GET,
            "/api/v1/feed",
            Some("x.y.z"),
            "",
            401,
            "authentication",
        ),
        (
            "an unknown route",
            Method::GET,
            "/api/v1/nothing",
            Some(token),
            "",
            404,
            "not_found",
        ),
        (
            "a command from outside",
            Method::POST,
            "/api/v1/content-service/posts/get",
            Some(token),
            "{}",
            404,
            "not_found",
        ),
        (
            "a way out of the list of routes",
            Method::GET,
            "/api/v1/users/%2e%2e/followers",
            Some(token),
            "",
            404,
            "not_found",
        ),
        (
            "malformed JSON",
            Method::POST,
            "/api/v1/posts",
            Some(token),
            "{",
            400,
            "validation",
        ),
        (
            "a field of the wrong type",
            Method::POST,
            "/api/v1/posts",
            Some(token),
            r#"{"caption":7}"#,
            400,
            "validation",
        ),
        (
            "a bad id",
            Method::GET,
            "/api/v1/posts/seven",
            Some(token),
            "",
            400,
            "validation",
        ),
        (
            "a bad limit",
            Method::GET,
            "/api/v1/feed?limit=0",
            Some(token),
            "",
            400,
            "validation",
        ),
    ];
    for (what, method, path, token, body, status, code) in cases {
        let mut request = platform
            .request(method, path)
            .header("content-type", "application/json")
            .body(body.to_owned());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let (got, got_code, problem) = problem(request.send().await.unwrap()).await;
        assert_eq!(
            (got.as_u16(), got_code.as_str()),
            (status, code),
            "{what}: {problem}"
        );
    }

    let oversized = json!({ "caption": "x".repeat(3 * 1024 * 1024) });
    let response = platform
        .request(Method::POST, "/api/v1/posts")
        .bearer_auth(token)
        .json(&oversized)
        .send()
        .await
        .unwrap();
    let (status, code, _) = problem(response).await;
    assert_eq!((status.as_u16(), code.as_str()), (413, "payload_too_large"));
}

async fn commands_are_refused(platform: &Platform) {
    let content = platform.address("content-service");
    let envelope = json!({
        "request_id": "req-1",
        "source_service": "test",
        "target_service": "content-service",
        "command": { "post_ids": [] },
        "timestamp": "2025-10-28T00:00:00Z",
    });
    let without = |field: &str| {
        let mut envelope = envelope.clone();
        envelope.as_object_mut().unwrap().remove(field);
        envelope
    };
    let wrong_type = json!({
        "request_id": "req-1",
        "source_service": "test",
        "target_service": "content-service",
        "command": { "post_ids": "all" },
        "timestamp": "2025-10-28T00:00:00Z",
    });
    let posts_get = "/api/v1/content-service/posts/get";
    let cases = [
        (
            "a well-formed command",
            posts_get,
            envelope.clone(),
            200,
            "",
        ),
        (
            "a missing field",
            posts_get,
            without("timestamp"),
            400,
            "validation",
        ),
        ("a wrong type", posts_get, wrong_type, 400, "validation"),
        (
            "an unknown target",
            "/api/v1/ghost-service/posts/get",
            envelope.clone(),
            404,
            "not_found",
        ),
        (
            "an unknown endpoint",
            "/api/v1/content-service/posts/none",
            envelope.clone(),
            404,
            "not_found",
        ),
        (
            "an encoded dot segment",
            "/api/v1/content-service/%2e%2e%2fhealth",
            envelope.clone(),
            400,
            "validation",
        ),
        (
            "an empty segment",
            "/api/v1/content-service/posts//get",
            envelope,
            400,
            "validation",
        ),
    ];
    for (what, path, body, status, code) in cases {
        let response = platform
            .client
            .post(format!("{content}{path}"))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status, "{what}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["success"], status == 200, "{what}: {answer}");
        if status != 200 {
            assert_eq!(answer["error"]["code"], code, "{what}: {answer}");
            assert_eq!(answer["error"]["effect"], "none", "{what}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_is_refused_by_name() {
    let kafka = EmbeddedKafka::start(1).unwrap();
    let output = command()
        .args(["demo", "--json"])
        .env("KAFKA_BROKERS", kafka.bootstrap_servers())
        .env("KAFKA_TOPIC_PREFIX", "no spaces allowed")
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("KAFKA_TOPIC_PREFIX"), "{log}");
}
