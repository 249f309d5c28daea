//! Names that try to leave their place.

use nova_client::test_util::{FakeTransport, Outcome};
use nova_errors::{Effect, ErrorKind};

use crate::script::{client, success};

#[tokio::test]
async fn a_name_that_would_leave_the_host_or_the_prefix_is_refused_before_anything_is_sent() {
    let transport = FakeTransport::new(None::<Outcome>);
    let client = client(&transport);
    let endpoints = [
        "",
        "/a",
        "a/",
        "a//b",
        "//evil",
        "../admin",
        "a/../../b",
        "a/.",
        "%2e%2e/admin",
        "a%2fb",
        "a%5cb",
        "a\\b",
        "http://evil/x",
        "a?x=1",
        "a#b",
        "a b",
        "a\r\nb",
        "@evil",
    ];
    for endpoint in endpoints {
        let error = client
            .call::<()>("feed-service", endpoint, ())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation, "{endpoint:?}");
        assert_eq!(error.violations()[0].field, "endpoint", "{endpoint:?}");
        assert_eq!(error.effect(), Effect::None);
    }
    for target in ["", "..", "a/b", "evil.com", "a@b", "a:80", "%2e"] {
        let error = client.call::<()>(target, "a", ()).await.unwrap_err();
        assert_eq!(error.violations()[0].field, "service", "{target:?}");
    }
    assert!(transport.sent().is_empty());
}

#[tokio::test]
async fn a_target_without_a_url_is_refused() {
    let transport = FakeTransport::new(None::<Outcome>);
    let client = nova_client::ServiceClient::builder("user-service")
        .endpoint("feed-service", "http://feed:1")
        .transport(transport.clone())
        .build()
        .unwrap();
    let error = client
        .call::<()>("other-service", "a", ())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_eq!(error.violations()[0].field, "target");
}

#[tokio::test]
async fn a_target_with_a_url_of_its_own_is_called_there_and_others_at_the_base() {
    let transport = FakeTransport::new([success("1"), success("2")]);
    let client = transport
        .builder("user-service")
        .endpoint("feed-service", "http://feed:1/mesh/")
        .build()
        .unwrap();
    let _: u8 = client.call("feed-service", "feeds/get", ()).await.unwrap();
    let _: u8 = client.call("auth-service", "users/get", ()).await.unwrap();
    let uris: Vec<_> = transport
        .sent()
        .iter()
        .map(|sent| sent.request.uri().to_string())
        .collect();
    assert_eq!(
        uris,
        [
            "http://feed:1/mesh/api/v1/feed-service/feeds/get",
            "http://peer/api/v1/auth-service/users/get",
        ]
    );
}
