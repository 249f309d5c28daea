use std::pin::Pin;

use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt as _};
use jsonwebtoken::jwk::AlgorithmParameters;
use nova_auth_client::proto::auth_service_server::AuthService;
use nova_auth_client::proto::revocation::Target;
use nova_auth_client::proto::{
    self, CheckUserExistsRequest, CheckUserExistsResponse, GetSigningKeysRequest,
    GetSigningKeysResponse, GetUserRequest, GetUserResponse, GetUsersByIdsRequest,
    GetUsersByIdsResponse, ListUsersRequest, ListUsersResponse, VerifyTokenRequest,
    VerifyTokenResponse, WatchRevocationsRequest, WatchRevocationsResponse,
};
use nova_errors::{ServiceError, Violation};
use nova_service::Shutdown;
use prost_types::Timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::identity::Identity;
use crate::revocation_feed::Update;
use crate::revocations::{Revocation, Revoked};
use crate::signing_keys::SigningKey;
use crate::users::User;

/// The methods of `nova.auth.v1`.
#[derive(Debug)]
pub(crate) struct Grpc {
    identity: Identity,
    /// Streams end when it is asked for.
    shutdown: Shutdown,
}

impl Grpc {
    pub(crate) fn new(identity: Identity, shutdown: Shutdown) -> Self {
        Self { identity, shutdown }
    }
}

#[tonic::async_trait]
impl AuthService for Grpc {
    async fn verify_token(
        &self,
        request: Request<VerifyTokenRequest>,
    ) -> Result<Response<VerifyTokenResponse>, Status> {
        let token = request.into_inner().token;
        let verified = self.identity.sessions.verify(&token).await?;
        let claims = verified.claims;
        Ok(Response::new(VerifyTokenResponse {
            user_id: claims.sub.to_string(),
            username: verified.username,
            email: verified.email,
            roles: Vec::new(),
            scopes: claims.scopes().map(str::to_owned).collect(),
            token_id: claims.jti.to_string(),
            issued_at: Some(seconds(claims.issued_at())),
            expires_at: Some(seconds(claims.expires_at())),
        }))
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let id = user_id("user_id", &request.into_inner().user_id)?;
        let user = self.identity.users.get(id).await?;
        let user = user.ok_or_else(|| ServiceError::NotFound(format!("user {id}").into()))?;
        Ok(Response::new(GetUserResponse {
            user: Some(user.into()),
        }))
    }

    async fn get_users_by_ids(
        &self,
        request: Request<GetUsersByIdsRequest>,
    ) -> Result<Response<GetUsersByIdsResponse>, Status> {
        let ids = request.into_inner().user_ids;
        let ids = ids
            .iter()
            .enumerate()
            .map(|(index, id)| user_id(&format!("user_ids[{index}]"), id))
            .collect::<Result<Vec<_>, _>>()?;
        let users = self.identity.users.get_all(&ids).await?;
        Ok(Response::new(GetUsersByIdsResponse {
            users: users.into_iter().map(Into::into).collect(),
        }))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let request = request.into_inner();
        let after = match request.cursor.as_str() {
            "" => None,
            cursor => Some(user_id("cursor", cursor)?),
        };
        let page = self.identity.users.page(after, request.limit).await?;
        Ok(Response::new(ListUsersResponse {
            users: page.users.into_iter().map(Into::into).collect(),
            total: u64::try_from(page.total).unwrap_or_default(),
            next_cursor: page.next.map(|id| id.to_string()).unwrap_or_default(),
        }))
    }

    async fn check_user_exists(
        &self,
        request: Request<CheckUserExistsRequest>,
    ) -> Result<Response<CheckUserExistsResponse>, Status> {
        let id = user_id("user_id", &request.into_inner().user_id)?;
        let user = self.identity.users.get(id).await?;
        Ok(Response::new(CheckUserExistsResponse {
            exists: user.is_some(),
        }))
    }

    async fn get_signing_keys(
        &self,
        _: Request<GetSigningKeysRequest>,
    ) -> Result<Response<GetSigningKeysResponse>, Status> {
        let keys = self.identity.keys.all();
        let keys = keys.iter().filter_map(|key| public_key(key)).collect();
        Ok(Response::new(GetSigningKeysResponse { keys }))
    }

    type WatchRevocationsStream =
        Pin<Box<dyn Stream<Item = Result<WatchRevocationsResponse, Status>> + Send>>;

    async fn watch_revocations(
        &self,
        request: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        // One that we did not give out is as good as none.
        let cursor = request.into_inner().cursor.parse().ok();
        let updates = self.identity.revocations.follow(cursor).await?;
        let shutdown = self.shutdown.clone();
        let updates = updates
            .map(|update| update.map(Into::into).map_err(Into::into))
            .take_until(async move { shutdown.requested().await });
        Ok(Response::new(Box::pin(updates)))
    }
}

fn user_id(field: &str, text: &str) -> Result<Uuid, ServiceError> {
    Uuid::try_parse(text).map_err(|error| {
        ServiceError::Validation(Violation::new(field, "expected a UUID").into()).with_source(error)
    })
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

fn public_key(key: &SigningKey) -> Option<proto::SigningKey> {
    let AlgorithmParameters::OctetKeyPair(parameters) = &key.public.algorithm else {
        return None;
    };
    Some(proto::SigningKey {
        kid: key.kid.clone(),
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        alg: "EdDSA".to_owned(),
        x: parameters.x.clone(),
        y: String::new(),
    })
}

impl From<User> for proto::User {
    fn from(user: User) -> Self {
        Self {
            user_id: user.id.to_string(),
            username: user.username,
            email: user.email,
            created_at: Some(timestamp(user.created_at)),
        }
    }
}

impl From<Update> for WatchRevocationsResponse {
    fn from(update: Update) -> Self {
        Self {
            cursor: update.cursor.to_string(),
            revocations: update.revocations.iter().map(Into::into).collect(),
            caught_up: update.caught_up,
            reset: update.reset,
        }
    }
}

impl From<&Revocation> for proto::Revocation {
    fn from(revocation: &Revocation) -> Self {
        let target = revocation.revoked().map(|revoked| match revoked {
            Revoked::Session(id) => Target::TokenId(id.to_string()),
            Revoked::User(id) => Target::UserId(id.to_string()),
        });
        Self {
            target,
            revoked_at: Some(timestamp(revocation.revoked_at)),
        }
    }
}
