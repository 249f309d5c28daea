use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use nova_errors::{ErrorKind, ServiceError, Violation};
use proptest::prelude::*;
use tonic::Status;

use crate::bytes_on_the_wire::{actix, axum, envelope, head, trailers};

/// Stands for a password, an address, a constraint's name: what only the log may say.
const SECRET: &str = "hunter2";

fn redacted() -> impl Iterator<Item = ErrorKind> {
    ErrorKind::ALL.into_iter().filter(|kind| kind.is_redacted())
}

/// An error with the secret in every place that holds words.
fn error_with(kind: ErrorKind, secret: &str) -> ServiceError {
    let deeper = ServiceError::Validation(Violation::new(secret, secret).into())
        .with_source(format!("password {secret} refused"));
    ServiceError::new(kind, format!("pool of {secret}"))
        .with_violation(Violation::new(secret, secret))
        .with_violation(Violation::new("host", format!("{secret}:5432")))
        .with_source(deeper)
}

/// Everything that a gRPC peer gets: the trailers as they are, and what is behind their encodings.
fn grpc(error: &ServiceError) -> Vec<u8> {
    let trailers = trailers(error);
    let status = Status::from_header_map(&trailers).unwrap();
    let head = head(trailers.iter());
    [&head, status.message().as_bytes(), status.details()].concat()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes
        .windows(secret.len())
        .any(|window| window.eq_ignore_ascii_case(secret.as_bytes()))
}

#[test]
fn the_kinds_whose_message_stays_inside_are_the_three_of_the_wire_contract() {
    let kinds: Vec<_> = redacted().collect();
    assert_eq!(
        kinds,
        [
            ErrorKind::Upstream,
            ErrorKind::DataLoss,
            ErrorKind::Internal
        ]
    );
}

proptest! {
    #[test]
    fn no_place_of_an_internal_error_reaches_the_wire(
        kind in proptest::sample::select(redacted().collect::<Vec<_>>()),
        // Long enough to be in no answer by chance.
        secret in "[a-zA-Z0-9]{16,40}",
    ) {
        let error = error_with(kind, &secret);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let answers = [
            runtime.block_on(axum(&error)),
            runtime.block_on(actix(&error)),
            envelope(&error),
        ];
        for answer in answers {
            prop_assert!(holds(&answer.body, "internal error"));
            prop_assert!(!holds(&answer.head, &secret));
            prop_assert!(!holds(&answer.body, &secret));
        }
        let bytes = grpc(&error);
        prop_assert!(holds(&bytes, "internal error"));
        prop_assert!(!holds(&bytes, &secret));
    }

    #[test]
    fn the_causes_of_no_error_reach_the_wire(
        kind in proptest::sample::select(ErrorKind::ALL.to_vec()),
        secret in "[a-zA-Z0-9]{16,40}",
    ) {
        let inner = ServiceError::Conflict(format!("key of {secret}").into())
            .with_source(format!("password {secret} refused"));
        let error = ServiceError::new(kind, "store the post").with_source(inner);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let answers = [
            runtime.block_on(axum(&error)),
            runtime.block_on(actix(&error)),
            envelope(&error),
        ];
        for answer in answers {
            prop_assert!(!holds(&answer.head, &secret));
            prop_assert!(!holds(&answer.body, &secret));
        }
        prop_assert!(!holds(&grpc(&error), &secret));
    }
}

#[test]
fn what_may_be_said_is_said_so_that_the_search_would_find_it() {
    let error = error_with(ErrorKind::Validation, SECRET);
    assert!(holds(&envelope(&error).body, SECRET));
    assert!(holds(&grpc(&error), SECRET));
}

/// All bytes that a server sends for one request.
fn exchange(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: nova\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    answer
}

fn assert_redacted(answer: &[u8], kind: ErrorKind) {
    let text = String::from_utf8_lossy(answer);
    let status_line = format!("HTTP/1.1 {}", kind.http_status());
    assert!(text.starts_with(&status_line), "{text}");
    assert!(text.contains("internal error"), "{text}");
    assert!(text.contains(kind.code()), "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_axum_server_sends_no_byte_of_it() {
    use axum::Router;
    use axum::routing::get;

    let mut router = Router::new();
    for kind in redacted() {
        let fail = move || async move { error_with(kind, SECRET) };
        router = router.route(&format!("/{kind}"), get(fail));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, router).into_future());
    for kind in redacted() {
        let ask = tokio::task::spawn_blocking(move || exchange(address, &format!("/{kind}")));
        assert_redacted(&ask.await.unwrap(), kind);
    }
    server.abort();
}

#[test]
fn an_actix_server_sends_no_byte_of_it() {
    use actix_web::{App, HttpServer, web};

    async fn fail(path: web::Path<String>) -> Result<&'static str, ServiceError> {
        let kind = ErrorKind::from_code(&path).unwrap();
        Err(error_with(kind, SECRET))
    }

    actix_web::rt::System::new().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = HttpServer::new(|| App::new().route("/{kind}", web::get().to(fail)))
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
        let handle = server.handle();
        let server = actix_web::rt::spawn(server);
        for kind in redacted() {
            let path = format!("/{kind}");
            let ask = actix_web::rt::task::spawn_blocking(move || exchange(address, &path));
            assert_redacted(&ask.await.unwrap(), kind);
        }
        handle.stop(false).await;
        server.await.unwrap().unwrap();
    });
}
