use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long the platform may take to start and play its scenario, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The binary, without the settings of whoever runs the tests.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nova-platform"));
    for name in [
        "DATABASE_URL",
        "KAFKA_BROKERS",
        "KAFKA_TOPIC_PREFIX",
        "KAFKA_IDENTITY_EVENTS_TOPIC",
        "KAFKA_MEDIA_EVENTS_TOPIC",
        "KAFKA_EVENTS_TOPIC",
        "KAFKA_MESSAGE_EVENTS_TOPIC",
        "ENABLE_DIRECT_CALL",
        "REDIS_URL",
        "RUST_LOG",
        "NOVA_LOG_FORMAT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ] {
        command.env_remove(name);
    }
    command.kill_on_drop(true);
    command
}

/// A running platform; it is killed when this is dropped.
pub(crate) struct Platform {
    child: Child,
    // Kept open: a closed pipe would end the platform's output.
    _lines: Lines<BufReader<ChildStdout>>,
    table: Vec<String>,
    pub(crate) client: Client,
}

impl Platform {
    /// Starts the platform on `data` with the broker at `brokers`, and waits until it serves.
    pub(crate) async fn start(data: &Path, brokers: &str) -> Self {
        let mut command = command();
        command
            .arg("--data")
            .arg(data)
            .env("KAFKA_BROKERS", brokers);
        Self::run(command).await
    }

    /// Starts `command` and waits until it serves.
    pub(crate) async fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut table = Vec::new();
        let serving = async {
            loop {
                let line = lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("the platform ended: {table:#?}"));
                if line.starts_with("Serving") {
                    break;
                }
                table.push(line);
            }
        };
        timeout(START_LIMIT, serving)
            .await
            .expect("the platform serves in time");
        Self {
            child,
            _lines: lines,
            table,
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// The HTTP address of a service, as the start-up table shows it.
    pub(crate) fn address(&self, service: &str) -> String {
        let line = self
            .table
            .iter()
            .find(|line| line.starts_with(service))
            .unwrap_or_else(|| panic!("{service} is not in {:#?}", self.table));
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// A request to the gateway.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.address("api-gateway")))
    }

    /// Registers a user and returns a token.
    pub(crate) async fn log_in(&self, username: &str) -> String {
        let account = json!({
            "username": username,
            "email": format!("{username}@example.com"),
            "password": "correct horse battery",
        });
        let answer = self
            .request(Method::POST, "/api/v1/auth/register")
            .json(&account)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let answer = self
            .request(Method::POST, "/api/v1/auth/login")
            .json(&account)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let login: Value = answer.json().await.unwrap();
        login["access_token"].as_str().unwrap().to_owned()
    }

    /// Makes a post and returns its id.
    pub(crate) async fn post(&self, token: &str, caption: &str) -> String {
        let answer = self
            .request(Method::POST, "/api/v1/posts")
            .bearer_auth(token)
            .json(&json!({ "caption": caption }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let post: Value = answer.json().await.unwrap();
        post["post_id"].as_str().unwrap().to_owned()
    }

    /// Changes a post.
    pub(crate) async fn change(&self, token: &str, post: &str, change: Value) {
        let answer = self
            .request(Method::PATCH, &format!("/api/v1/posts/{post}"))
            .bearer_auth(token)
            .json(&change)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    /// Ends the process at once, as `kill -9` does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
