use nova_auth_client::AuthClient;
use nova_auth_client::proto::auth_service_client::AuthServiceClient;
use nova_auth_client::proto::{GetSigningKeysRequest, GetUsersByIdsRequest, ListUsersRequest};
use reqwest::StatusCode;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use crate::service::Service;

async fn channel(service: &Service) -> Channel {
    let endpoint = Endpoint::from_shared(service.grpc.clone()).unwrap();
    endpoint.connect().await.unwrap()
}

#[tokio::test]
async fn users_are_found_by_their_ids() {
    let service = Service::start().await;
    let (_, body) = service.register("alice").await;
    let alice: Uuid = body["user_id"].as_str().unwrap().parse().unwrap();
    let user = service.auth.get_user(alice).await.unwrap();
    assert_eq!(user.username, "alice");
    assert_eq!(
        serde_json::to_value(user.created_at).unwrap(),
        body["created_at"]
    );
    let nobody = Uuid::from_u128(1);
    let users = service.auth.get_users_by_ids(&[nobody, alice, alice]).await;
    assert_eq!(users.unwrap(), [user]);
    assert!(service.auth.check_user_exists(alice).await.unwrap());
    assert!(!service.auth.check_user_exists(nobody).await.unwrap());

    let many: Vec<_> = (0..AuthClient::MAX_IDS as u128)
        .map(Uuid::from_u128)
        .collect();
    assert_eq!(service.auth.get_users_by_ids(&many).await.unwrap(), []);
}

#[tokio::test]
async fn all_users_are_listed_in_the_order_of_their_arrival() {
    let service = Service::start().await;
    let names = ["alice", "bob", "carol"];
    for name in names {
        assert_eq!(service.register(name).await.0, StatusCode::CREATED);
    }
    let first = service.auth.list_users(None, 2).await.unwrap();
    assert_eq!(first.total, 3);
    let last = service
        .auth
        .list_users(first.next_cursor.as_deref(), 2)
        .await
        .unwrap();
    assert_eq!((last.total, last.next_cursor), (3, None));
    let listed = first.users.iter().chain(&last.users);
    let listed: Vec<_> = listed.map(|user| user.username.as_str()).collect();
    assert_eq!(listed, names);
}

#[tokio::test]
async fn a_malformed_look_up_is_refused() {
    let service = Service::start().await;
    let mut client = AuthServiceClient::new(channel(&service).await);
    let ids = |ids: Vec<String>| GetUsersByIdsRequest { user_ids: ids };
    let status = client
        .get_users_by_ids(ids(vec!["x".to_owned()]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let many = vec![Uuid::nil().to_string(); AuthClient::MAX_IDS + 1];
    let status = client.get_users_by_ids(ids(many)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    for (cursor, limit) in [("x", 1), ("", 101)] {
        let cursor = cursor.to_owned();
        let request = ListUsersRequest { cursor, limit };
        let status = client.list_users(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn the_public_keys_are_the_same_by_grpc_and_by_http() {
    let service = Service::start().await;
    let (status, keys) = service.get("/.well-known/jwks.json").await;
    assert_eq!(status, StatusCode::OK);
    let mut client = AuthServiceClient::new(channel(&service).await);
    let answer = client
        .get_signing_keys(GetSigningKeysRequest {})
        .await
        .unwrap();
    let key = &answer.into_inner().keys[0];
    let members = [
        ("kid", &key.kid),
        ("kty", &key.kty),
        ("crv", &key.crv),
        ("alg", &key.alg),
        ("x", &key.x),
    ];
    for (name, value) in members {
        assert_eq!(keys["keys"][0][name], *value);
    }
    assert_eq!(keys["keys"][0]["use"], "sig");
    assert!(
        keys["keys"][0].get("d").is_none(),
        "the private half stays here"
    );
}

#[tokio::test]
async fn grpc_health_tells_that_it_serves() {
    let service = Service::start().await;
    let mut health = HealthClient::new(channel(&service).await);
    for name in ["", "nova.auth.v1.AuthService"] {
        let service = name.to_owned();
        let answer = health.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }
}
