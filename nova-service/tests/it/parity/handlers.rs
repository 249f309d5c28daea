//! The handlers of the service that both frameworks serve: the same functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nova_errors::{Effect, ServiceError};
use nova_models::{CallContext, PageRequest};
use nova_service::{Command, CommandReply, Json, Path, Query, RawBody};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GetStreamInfo {
    stream_id: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WhoAsks {}

impl nova_models::Command for WhoAsks {
    type Reply = Option<String>;
    const TARGET: &'static str = "streaming-service";
    const ENDPOINT: &'static str = "who-asks";
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewPost {
    caption: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Tag {
    weight: u8,
}

pub(super) async fn info(
    command: Command<GetStreamInfo>,
) -> Result<CommandReply<String>, ServiceError> {
    match command.stream_id {
        42 => Ok(command.reply(format!(
            "live, for {}, key {:?}",
            command.source(),
            command.idempotency_key().map(ToString::to_string)
        ))),
        13 => panic!("unlucky"),
        7 => Err(no_effect()),
        66 => Err(ServiceError::Internal("password of db-7 is hunter2".into())),
        id => Err(ServiceError::NotFound(format!("stream {id}").into())),
    }
}

pub(super) async fn who_asks(_: WhoAsks) -> Result<Option<String>, ServiceError> {
    let context = CallContext::current().unwrap_or_default();
    Ok(context.request_id.map(String::from))
}

pub(super) async fn reads_json(_: Json<serde_json::Value>) -> Result<String, ServiceError> {
    Err(no_effect())
}

pub(super) async fn reads_raw(_: RawBody) -> Result<String, ServiceError> {
    Err(no_effect())
}

fn no_effect() -> ServiceError {
    ServiceError::ServiceUnavailable("connect".into()).with_effect(Effect::None)
}

pub(super) async fn create(Json(post): Json<NewPost>) -> Json<NewPost> {
    Json(post)
}

pub(super) async fn list(Query(page): Query<PageRequest>) -> String {
    page.limit().to_string()
}

pub(super) async fn post(Path(id): Path<u32>) -> String {
    id.to_string()
}

pub(super) async fn user(Path((user, number)): Path<(String, u8)>) -> String {
    format!("{user} {number}")
}

pub(super) async fn limited() -> Result<String, ServiceError> {
    Err(ServiceError::RateLimited("feed".into()).with_retry_after(Duration::from_millis(1500)))
}

pub(super) async fn panics() -> String {
    panic!("hunter2")
}

pub(super) async fn context() -> String {
    let context = CallContext::current().unwrap_or_default();
    let now = Instant::now().into_std();
    format!(
        "subject {:?}, token {:?}, deadline within a minute {:?}, trace {:?}",
        context.subject,
        context.token,
        context
            .deadline
            .map(|deadline| deadline.left(now) <= Duration::from_secs(60)),
        context
            .trace
            .as_ref()
            .map(|trace| (trace.trace_id(), trace.tracestate())),
    )
}

/// Counts the handlers that were dropped before their end.
#[derive(Debug, Clone, Default)]
pub(super) struct Dropped(Arc<AtomicU32>);

impl Dropped {
    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) async fn hang(self) -> String {
        let _guard = OnDrop(self.0);
        std::future::pending().await
    }
}

struct OnDrop(Arc<AtomicU32>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
