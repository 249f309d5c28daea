use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// How long something that travels by event may take to show.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(30);

/// Somebody who uses the platform through the gateway, like any client.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    client: reqwest::Client,
    gateway: String,
    pub(crate) name: String,
    pub(crate) user_id: Uuid,
    password: String,
    token: String,
}

#[derive(Debug, Deserialize)]
struct Login {
    access_token: String,
    user_id: Uuid,
}

#[derive(Debug, Deserialize)]
struct PostId {
    post_id: Uuid,
}

#[derive(Debug, Deserialize)]
struct Feed {
    items: Vec<PostId>,
}

impl Visitor {
    /// Registers a new user, called `name` and something random, and logs in.
    pub(crate) async fn arrive(gateway: &str, name: &str) -> anyhow::Result<Self> {
        let suffix: String = Uuid::new_v4()
            .simple()
            .to_string()
            .chars()
            .take(8)
            .collect();
        let username = format!("{name}_{suffix}");
        let mut visitor = Self {
            client: reqwest::Client::builder().no_proxy().build()?,
            gateway: gateway.to_owned(),
            name: username,
            user_id: Uuid::nil(),
            password: Uuid::new_v4().to_string(),
            token: String::new(),
        };
        let account = json!({
            "username": visitor.name,
            "email": format!("{}@example.com", visitor.name),
            "password": visitor.password,
        });
        visitor
            .call(
                Method::POST,
                "auth/register",
                Some(account),
                StatusCode::CREATED,
            )
            .await?;
        visitor.log_in().await?;
        Ok(visitor)
    }

    /// Logs in, for the first time or before the token expires.
    pub(crate) async fn log_in(&mut self) -> anyhow::Result<()> {
        let credentials = json!({ "username": self.name, "password": self.password });
        let answer = self
            .call(
                Method::POST,
                "auth/login",
                Some(credentials),
                StatusCode::OK,
            )
            .await?;
        let login: Login = serde_json::from_value(answer).context("read the login")?;
        self.user_id = login.user_id;
        self.token = login.access_token;
        Ok(())
    }

    pub(crate) async fn follow(&self, other: &Self) -> anyhow::Result<()> {
        let path = format!("users/{}/follow", other.user_id);
        self.call(Method::PUT, &path, None, StatusCode::NO_CONTENT)
            .await?;
        Ok(())
    }

    pub(crate) async fn post(&self, caption: &str) -> anyhow::Result<Uuid> {
        let post = json!({ "caption": caption, "media_type": "none" });
        let answer = self
            .call(Method::POST, "posts", Some(post), StatusCode::CREATED)
            .await?;
        let post: PostId = serde_json::from_value(answer).context("read the post")?;
        Ok(post.post_id)
    }

    pub(crate) async fn archive(&self, post: Uuid) -> anyhow::Result<()> {
        let change = json!({ "status": "archived" });
        self.call(
            Method::PATCH,
            &format!("posts/{post}"),
            Some(change),
            StatusCode::OK,
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn feed(&self) -> anyhow::Result<Vec<Uuid>> {
        let answer = self
            .call(Method::GET, "feed?limit=100", None, StatusCode::OK)
            .await?;
        let feed: Feed = serde_json::from_value(answer).context("read the feed")?;
        Ok(feed.items.into_iter().map(|post| post.post_id).collect())
    }

    /// Waits until the feed has the post, or no longer has it.
    pub(crate) async fn wait_for(&self, post: Uuid, present: bool) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let arrival = async {
            while self.feed().await?.contains(&post) != present {
                sleep(Duration::from_millis(5)).await;
            }
            anyhow::Ok(start.elapsed())
        };
        let Ok(arrival) = timeout(ARRIVAL_LIMIT, arrival).await else {
            let state = if present { "is not in" } else { "is still in" };
            bail!(
                "post {post} {state} the feed of {} after {ARRIVAL_LIMIT:?}",
                self.name
            );
        };
        arrival
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        expected: StatusCode,
    ) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/{path}", self.gateway);
        let mut request = self.client.request(method.clone(), url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request
            .send()
            .await
            .with_context(|| format!("{method} {path}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        if status != expected {
            bail!("{method} {path}: expected {expected}, got {status}: {text}");
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{method} {path}: read the answer"))
    }
}
