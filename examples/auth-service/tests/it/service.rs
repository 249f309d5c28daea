use std::sync::Arc;
use std::time::Duration;

use nova_auth_client::AuthClient;
use nova_auth_service::{Config, serve};
use nova_errors::ServiceError;
use nova_kit::{Database, Kafka, Pool};
use nova_service::{Shutdown, ShutdownTrigger};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What an answer came down to.
pub(crate) type Answer = (StatusCode, Value);

/// A running service with a database of its own, and no broker: events stay in the outbox.
pub(crate) struct Service {
    pub(crate) auth: AuthClient,
    pub(crate) pool: Pool,
    pub(crate) grpc: String,
    /// Kept until the last service in it is gone.
    pub(crate) home: Arc<Home>,
    http: String,
    client: reqwest::Client,
    stop: ShutdownTrigger,
    task: JoinHandle<anyhow::Result<()>>,
}

/// A database of its own for each test.
pub(crate) struct Home {
    database: Database,
    pool: Pool,
    _folder: TempDir,
}

/// What a log-in gave.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_in(&Arc::new(Home::new().await)).await
    }

    pub(crate) async fn start_in(home: &Arc<Home>) -> Self {
        let (http, grpc) = (listen().await, listen().await);
        let http_url = format!("http://{}", http.local_addr().unwrap());
        let grpc_url = format!("http://{}", grpc.local_addr().unwrap());
        let config = Config {
            http,
            grpc,
            database: home.database.clone(),
            kafka: Kafka::new("127.0.0.1:1", "nova").unwrap(),
        };
        let (stop, shutdown) = Shutdown::new();
        let task = tokio::spawn(serve(config, shutdown));
        let service = Self {
            auth: AuthClient::connect(&grpc_url).await.unwrap(),
            pool: home.pool.clone(),
            home: Arc::clone(home),
            grpc: grpc_url,
            http: http_url,
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(20))
                .build()
                .unwrap(),
            stop,
            task,
        };
        let (status, health) = service.get("/health/ready").await;
        assert!(!service.task.is_finished(), "it did not start");
        assert_eq!(status, StatusCode::OK, "{health}");
        service
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.shutdown();
        self.task.await?
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let url = format!("{}{path}", self.http);
        let mut request = self.client.request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, None, Some(body)).await
    }

    pub(crate) async fn register(&self, name: &str) -> Answer {
        let email = format!("{name}@example.org");
        let body = json!({ "username": name, "email": email, "password": "correct horse" });
        self.post("/api/v1/auth/register", body).await
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Answer {
        let body = json!({ "username": name, "password": password });
        self.post("/api/v1/auth/login", body).await
    }

    /// Registers and logs in.
    pub(crate) async fn arrive(&self, name: &str) -> Tokens {
        let (status, body) = self.register(name).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let (status, body) = self.log_in(name, "correct horse").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        Tokens::of(&body)
    }

    pub(crate) async fn log_out(&self, token: &str) -> Answer {
        let path = "/api/v1/auth/logout";
        self.send(Method::POST, path, Some(token), None).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.post("/api/v1/auth/refresh", body).await
    }

    /// Verifies until the token is refused.
    pub(crate) async fn soon_refused(&self, token: &str) -> ServiceError {
        let refused = async {
            loop {
                if let Err(error) = self.auth.verify_token(token).await {
                    return error;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = Duration::from_secs(10);
        tokio::time::timeout(limit, refused)
            .await
            .expect("it still works")
    }

    /// The events that wait to be published: type, key and payload.
    pub(crate) async fn events(&self) -> Vec<(String, String, Value)> {
        let rows: Vec<(String, String, Vec<u8>)> = sqlx::query_as(
            "SELECT event_type, aggregate_id, payload FROM outbox_events ORDER BY seq",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        rows.into_iter()
            .map(|(kind, key, payload)| (kind, key, serde_json::from_slice(&payload).unwrap()))
            .collect()
    }
}

impl Home {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (database, pool) = database(&folder).await;
        Self {
            database,
            pool,
            _folder: folder,
        }
    }
}

impl Tokens {
    pub(crate) fn of(body: &Value) -> Self {
        Self {
            access: body["access_token"].as_str().unwrap().to_owned(),
            refresh: body["refresh_token"].as_str().unwrap().to_owned(),
        }
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// The database, and a second look at it beside the service's.
#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "the other one waits for its server")]
async fn database(folder: &TempDir) -> (Database, Pool) {
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
    let path = folder.path().join("auth.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new().connect_lazy_with(options);
    (Database::file(path), pool)
}

/// The database, and a second look at it beside the service's.
#[cfg(feature = "postgres")]
async fn database(_: &TempDir) -> (Database, Pool) {
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names the PostgreSQL to test on");
    let options: PgConnectOptions = url.parse().unwrap();
    let service = format!("auth_{}", uuid::Uuid::now_v7().simple());
    let group = match options.get_database() {
        None | Some("postgres") => "nova",
        Some(name) => name,
    };
    let options = options.clone().database(&format!("{group}_{service}"));
    let server: Database = url.parse().unwrap();
    let database = server.sibling(&service).await.unwrap();
    (database, PgPoolOptions::new().connect_lazy_with(options))
}
