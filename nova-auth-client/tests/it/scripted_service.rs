use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use nova_auth_client::proto::auth_service_server::AuthService;
use nova_auth_client::proto::revocation::Target;
use nova_auth_client::proto::{
    CheckUserExistsRequest, CheckUserExistsResponse, GetSigningKeysRequest, GetSigningKeysResponse,
    GetUserRequest, GetUserResponse, GetUsersByIdsRequest, GetUsersByIdsResponse, ListUsersRequest,
    ListUsersResponse, Revocation, User, VerifyTokenRequest, VerifyTokenResponse,
    WatchRevocationsRequest, WatchRevocationsResponse,
};
use nova_errors::ServiceError;
use prost_types::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// What the service does, and what it saw.
pub(crate) struct Script {
    /// Verifications answered or refused.
    pub(crate) verifications: AtomicUsize,
    /// What is said of a token; a token that is not here is good.
    pub(crate) failures: Mutex<HashMap<String, ServiceError>>,
    /// A verification takes one of these before it is answered, its answer being made before.
    pub(crate) permits: Semaphore,
    /// Verifications whose answer is made.
    pub(crate) decided: AtomicUsize,
    /// Whether there is a stream of revocations at all.
    pub(crate) has_stream: AtomicBool,
    /// Whether the stream says anything.
    pub(crate) speaks: AtomicBool,
    /// What was revoked: a cursor is an index into it.
    pub(crate) revoked: Mutex<Vec<Target>>,
    /// The cursors that clients came with.
    pub(crate) cursors: Mutex<Vec<String>>,
    /// Metadata of the last verification.
    pub(crate) metadata: Mutex<Vec<(String, String)>>,
}

impl Script {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            verifications: AtomicUsize::new(0),
            failures: Mutex::default(),
            permits: Semaphore::new(Semaphore::MAX_PERMITS),
            decided: AtomicUsize::new(0),
            has_stream: AtomicBool::new(true),
            speaks: AtomicBool::new(true),
            revoked: Mutex::default(),
            cursors: Mutex::default(),
            metadata: Mutex::default(),
        })
    }

    pub(crate) fn verifications(&self) -> usize {
        self.verifications.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self, token: &str, error: ServiceError) {
        self.failures
            .lock()
            .unwrap()
            .insert(token.to_owned(), error);
    }

    /// Revokes a token: first in the service, then on the stream.
    pub(crate) fn revoke(&self, token: &str, target: Target) {
        let error = ServiceError::Authentication("the access token is revoked".into());
        self.fail(token, error.with_reason("revoked"));
        self.revoked.lock().unwrap().push(target);
    }

    /// Keeps answers back until [`answer`](Self::answer).
    pub(crate) fn hold(&self) {
        self.permits.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn answer(&self, times: usize) {
        self.permits.add_permits(times);
    }
}

pub(crate) fn user_id(token: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, token.as_bytes())
}

pub(crate) fn user(user_id: Uuid) -> User {
    User {
        user_id: user_id.to_string(),
        username: "alice".to_owned(),
        email: "alice@example.org".to_owned(),
        created_at: Some(Timestamp::default()),
    }
}

pub(crate) struct ScriptedService(pub(crate) Arc<Script>);

#[tonic::async_trait]
impl AuthService for ScriptedService {
    async fn verify_token(
        &self,
        request: Request<VerifyTokenRequest>,
    ) -> Result<Response<VerifyTokenResponse>, Status> {
        let script = &self.0;
        let metadata = request.metadata().clone().into_headers();
        *script.metadata.lock().unwrap() = metadata
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let token = request.into_inner().token;
        let failure = script.failures.lock().unwrap().get(&token).cloned();
        let expires_at = Utc::now() + TimeDelta::minutes(15);
        let answer = VerifyTokenResponse {
            user_id: user_id(&token).to_string(),
            username: "alice".to_owned(),
            email: "alice@example.org".to_owned(),
            roles: Vec::new(),
            scopes: vec!["user".to_owned()],
            token_id: format!("id-of-{token}"),
            issued_at: Some(Timestamp::default()),
            expires_at: Some(Timestamp {
                seconds: expires_at.timestamp(),
                nanos: 0,
            }),
        };
        script.decided.fetch_add(1, Ordering::SeqCst);
        script.permits.acquire().await.unwrap().forget();
        script.verifications.fetch_add(1, Ordering::SeqCst);
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(Response::new(answer)),
        }
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let id: Uuid = request.into_inner().user_id.parse().unwrap();
        if id.is_nil() {
            return Err(ServiceError::NotFound("user".into()).into());
        }
        let user = Some(user(id));
        Ok(Response::new(GetUserResponse { user }))
    }

    async fn get_users_by_ids(
        &self,
        request: Request<GetUsersByIdsRequest>,
    ) -> Result<Response<GetUsersByIdsResponse>, Status> {
        let ids = request.into_inner().user_ids;
        let ids = ids.iter().map(|id| id.parse::<Uuid>().unwrap());
        let users = ids.filter(|id| !id.is_nil()).map(user).collect();
        Ok(Response::new(GetUsersByIdsResponse { users }))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let request = request.into_inner();
        let is_first = request.cursor.is_empty();
        Ok(Response::new(ListUsersResponse {
            users: vec![user(Uuid::from_u128(u128::from(request.limit)))],
            total: 2,
            next_cursor: if is_first { "second" } else { "" }.to_owned(),
        }))
    }

    async fn check_user_exists(
        &self,
        request: Request<CheckUserExistsRequest>,
    ) -> Result<Response<CheckUserExistsResponse>, Status> {
        let exists = request.into_inner().user_id != Uuid::nil().to_string();
        Ok(Response::new(CheckUserExistsResponse { exists }))
    }

    async fn get_signing_keys(
        &self,
        _: Request<GetSigningKeysRequest>,
    ) -> Result<Response<GetSigningKeysResponse>, Status> {
        Ok(Response::new(GetSigningKeysResponse::default()))
    }

    type WatchRevocationsStream = ReceiverStream<Result<WatchRevocationsResponse, Status>>;

    async fn watch_revocations(
        &self,
        request: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let script = Arc::clone(&self.0);
        if !script.has_stream.load(Ordering::SeqCst) {
            return Err(Status::unimplemented("no stream"));
        }
        let cursor = request.into_inner().cursor;
        script.cursors.lock().unwrap().push(cursor.clone());
        let known = cursor.parse::<usize>().ok();
        let known = known.filter(|at| *at <= script.revoked.lock().unwrap().len());
        let mut reset = known.is_none();
        let mut at = known.unwrap_or_else(|| script.revoked.lock().unwrap().len());
        let (send, receive) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(250));
            loop {
                beat.tick().await;
                if !script.speaks.load(Ordering::SeqCst) {
                    continue;
                }
                let revoked = script.revoked.lock().unwrap().clone();
                let new = revoked.get(at..).unwrap_or_default().to_vec();
                at += new.len();
                let revocations = new.into_iter().map(|target| Revocation {
                    target: Some(target),
                    revoked_at: Some(Timestamp::default()),
                });
                let message = WatchRevocationsResponse {
                    cursor: at.to_string(),
                    revocations: revocations.collect(),
                    caught_up: true,
                    reset: std::mem::take(&mut reset),
                };
                if send.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}
