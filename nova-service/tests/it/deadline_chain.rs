//! Gateway → service A → service B, with 500 ms for all of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use axum::routing::get;
use http_body_util::BodyExt;
use nova_client::{ServiceClient, ServiceClientBuilder};
use nova_errors::ServiceError;
use nova_models::CallContext;
use nova_service::{Command, CommandReply, CommandRouter, ServiceLayer, Shutdown, serve};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::answer::{Answer, get as ask_for};

const IN_ALL: Duration = Duration::from_millis(500);

/// Over sockets the clock is the real one, and a busy machine may need more of it to get to B at all.
const IN_REALITY: Duration = Duration::from_secs(2);

/// What a handler saw of its deadline, and how often one was dropped before its end.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    left: Mutex<Option<Duration>>,
    stopped: AtomicU32,
    stop: Notify,
}

struct OnDrop(Seen);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.stopped.fetch_add(1, Ordering::SeqCst);
        self.0.0.stop.notify_one();
    }
}

impl Seen {
    fn look(&self) -> OnDrop {
        let deadline = CallContext::current().and_then(|context| context.deadline);
        let left = deadline.map(|deadline| deadline.left(Instant::now().into_std()));
        *self.0.left.lock().unwrap() = left;
        OnDrop(self.clone())
    }

    fn left(&self) -> Duration {
        self.0.left.lock().unwrap().expect("the handler has run")
    }

    fn stopped(&self) -> u32 {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// On a thread of its own a handler may stop a moment after its caller has given up.
    async fn has_stopped(&self) {
        let stop = self.0.stop.notified();
        tokio::time::timeout(Duration::from_secs(20), stop)
            .await
            .unwrap();
    }
}

/// Works for longer than anybody waits.
async fn work(seen: Seen) -> Result<CommandReply<()>, ServiceError> {
    let _guard = seen.look();
    std::future::pending().await
}

fn service_b(seen: &Seen) -> Router {
    let seen = seen.clone();
    let commands =
        CommandRouter::new("service-b").command("work", move |_: Command<u32>| work(seen.clone()));
    ServiceLayer::new("service-b").wrap(commands.build().unwrap())
}

fn service_a(seen: &Seen, b: ServiceClient) -> Router {
    let seen = seen.clone();
    let relay = move |command: Command<u32>| {
        let (seen, b) = (seen.clone(), b.clone());
        async move {
            let _guard = seen.look();
            let () = b.call("service-b", "work", *command).await?;
            Ok::<_, ServiceError>(command.reply(()))
        }
    };
    let commands = CommandRouter::new("service-a").command("relay", relay);
    ServiceLayer::new("service-a").wrap(commands.build().unwrap())
}

fn gateway(a: ServiceClient, in_all: Duration) -> Router {
    let relay = || async move {
        let () = a.call("service-a", "relay", 1).await?;
        Ok::<_, ServiceError>("done")
    };
    let layer = ServiceLayer::new("gateway").public().max_deadline(in_all);
    layer.wrap(Router::new().route("/relay", get(relay)))
}

/// A client whose calls go to `app` without a network between. As over a network, a caller that gives up stops nobody.
fn in_process(name: &str, app: Router) -> ServiceClient {
    let transport = tower::service_fn(move |request: Request<Bytes>| {
        let app = app.clone();
        async move {
            let served = tokio::spawn(app.oneshot(request.map(Body::from)));
            let Ok(response) = served.await.unwrap();
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Ok::<_, ServiceError>(Response::from_parts(head, body))
        }
    });
    client(name).transport(transport).build().unwrap()
}

fn client(name: &str) -> ServiceClientBuilder {
    ServiceClient::builder(name).base_url("http://in-process")
}

/// What holds whoever serves B: the answer, and what A and B have seen.
fn expect_a_timeout_all_the_way(answer: &Answer, a: &Seen, b: &Seen, in_all: Duration) {
    assert_eq!(answer.status, 504, "{}", answer.body);
    assert!(
        answer.body.contains(r#""code":"timeout""#),
        "{}",
        answer.body
    );
    assert!(a.left() < in_all, "A saw {:?}", a.left());
    assert!(
        b.left() < a.left(),
        "B saw {:?} of {:?}",
        b.left(),
        a.left()
    );
    assert!(b.left() > Duration::ZERO);
    assert_eq!((a.stopped(), b.stopped()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_last_of_a_chain_sees_what_is_left_and_stops_when_it_is_gone() {
    let (a, b) = (Seen::default(), Seen::default());
    let to_b = in_process("service-a", service_b(&b));
    let to_a = in_process("gateway", service_a(&a, to_b));
    let started = Instant::now();
    let answer = ask_for(&gateway(to_a, IN_ALL), "/relay").await;
    b.has_stopped().await;
    expect_a_timeout_all_the_way(&answer, &a, &b, IN_ALL);
    // B is the first to stop, so that there is time left for the answers.
    assert_eq!(started.elapsed(), b.left());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_service_that_knows_no_deadline() {
    let a = Seen::default();
    let deaf = Router::new().fallback(std::future::pending::<()>);
    let to_b = in_process("service-a", deaf);
    let to_a = in_process("gateway", service_a(&a, to_b));
    let started = Instant::now();
    let answer = ask_for(&gateway(to_a, IN_ALL), "/relay").await;
    assert_eq!(answer.status, 504, "{}", answer.body);
    assert!(started.elapsed() < IN_ALL);
    a.has_stopped().await;
}

#[tokio::test]
async fn the_chain_holds_over_sockets() {
    let (a, b) = (Seen::default(), Seen::default());
    let (trigger, shutdown) = Shutdown::new();
    let (to_b, served_b) = over_sockets("service-a", service_b(&b), &shutdown).await;
    let (to_a, served_a) = over_sockets("gateway", service_a(&a, to_b), &shutdown).await;
    let answer = ask_for(&gateway(to_a, IN_REALITY), "/relay").await;
    a.has_stopped().await;
    b.has_stopped().await;
    expect_a_timeout_all_the_way(&answer, &a, &b, IN_REALITY);
    trigger.shutdown();
    served_a.await.unwrap().unwrap();
    served_b.await.unwrap().unwrap();
}

async fn over_sockets(
    name: &str,
    app: Router,
    shutdown: &Shutdown,
) -> (ServiceClient, JoinHandle<Result<(), ServiceError>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(listener, app, shutdown.clone()));
    (ServiceClient::new(name, &url), server)
}

#[cfg(feature = "actix")]
mod actix_b {
    use super::*;

    use actix_web::body::to_bytes;
    use actix_web::dev::Service;
    use actix_web::test::{TestRequest, init_service};
    use actix_web::{App, HttpServer};
    use nova_service::actix;
    use tokio::sync::{mpsc, oneshot};
    use tokio::task::{LocalSet, spawn_local};

    type Sent = (Request<Bytes>, oneshot::Sender<Response<Bytes>>);

    fn commands(seen: &Seen) -> actix::Commands {
        let seen = seen.clone();
        let handler = move |_: Command<u32>| work(seen.clone());
        let commands = actix::CommandRouter::new("service-b").command("work", handler);
        commands.build().unwrap()
    }

    /// A service of actix-web stays on its thread, so requests come to it through a channel.
    async fn serve_locally(seen: Seen, mut requests: mpsc::Receiver<Sent>) {
        let layer = ServiceLayer::new("service-b");
        let app = App::new().service(commands(&seen)).wrap(layer);
        let app = std::rc::Rc::new(init_service(app).await);
        while let Some((request, answer)) = requests.recv().await {
            let app = app.clone();
            spawn_local(async move {
                let (head, body) = request.into_parts();
                let mut sent = TestRequest::post()
                    .uri(&head.uri.to_string())
                    .set_payload(body);
                for (name, value) in &head.headers {
                    sent = sent.insert_header((name.as_str(), value.as_bytes()));
                }
                let response = match app.call(sent.to_request()).await {
                    Ok(response) => response.into_parts().1.map_into_boxed_body(),
                    Err(error) => error.error_response(),
                };
                let status = response.status().as_u16();
                let body = to_bytes(response.into_body()).await.unwrap();
                let response = Response::builder().status(status).body(body).unwrap();
                // A caller that has left takes no answer.
                let _ = answer.send(response);
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_holds_where_the_last_is_on_actix() {
        let (a, b) = (Seen::default(), Seen::default());
        let (send, requests) = mpsc::channel::<Sent>(8);
        let transport = tower::service_fn(move |request: Request<Bytes>| {
            let send = send.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                send.send((request, answer)).await.unwrap();
                Ok::<_, ServiceError>(answered.await.unwrap())
            }
        });
        let to_b = client("service-a").transport(transport).build().unwrap();
        let to_a = in_process("gateway", service_a(&a, to_b));
        let local = LocalSet::new();
        local.spawn_local(serve_locally(b.clone(), requests));
        // Nothing drops B's handler from outside here: its own deadline does.
        let asked = async {
            let answer = ask_for(&gateway(to_a, IN_ALL), "/relay").await;
            b.has_stopped().await;
            answer
        };
        let answer = local.run_until(asked).await;
        expect_a_timeout_all_the_way(&answer, &a, &b, IN_ALL);
    }

    #[tokio::test]
    async fn it_holds_over_sockets_where_the_last_is_on_actix() {
        let (a, b) = (Seen::default(), Seen::default());
        let (trigger, shutdown) = Shutdown::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let commands = commands(&b);
        let app = move || {
            let layer = ServiceLayer::new("service-b");
            App::new().service(commands.clone()).wrap(layer)
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .listen(listener.into_std().unwrap())
            .unwrap()
            .run();
        let served_b = tokio::spawn(actix::serve(server, shutdown.clone()));
        let to_b = ServiceClient::new("service-a", &url);
        let (to_a, served_a) = over_sockets("gateway", service_a(&a, to_b), &shutdown).await;
        let answer = ask_for(&gateway(to_a, IN_REALITY), "/relay").await;
        a.has_stopped().await;
        b.has_stopped().await;
        expect_a_timeout_all_the_way(&answer, &a, &b, IN_REALITY);
        trigger.shutdown();
        served_a.await.unwrap().unwrap();
        served_b.await.unwrap().unwrap();
    }
}
