//! Unary gRPC calls of a tonic channel, through the same policies as commands over HTTP.
//!
//! A [`GrpcChannel`] stands where a generated client takes its channel. Each call then has a deadline, and its attempts a time-out; it is
//! tried again where that does no harm, within a budget; a circuit breaker and a limit of attempts in flight guard the server.
//!
//! ```no_run
//! use nova_client::grpc::GrpcChannel;
//! use nova_errors::ServiceError;
//! use tonic_health::pb::HealthCheckRequest;
//! use tonic_health::pb::health_client::HealthClient;
//!
//! # async fn example() -> Result<(), ServiceError> {
//! let channel = GrpcChannel::builder("user-service")
//!     .idempotent_methods(["/grpc.health.v1.Health/Check"])
//!     .streaming_methods(["/grpc.health.v1.Health/Watch"])
//!     .connect("http://auth-service:8084")?;
//! let mut health = HealthClient::new(channel);
//!
//! // `?` makes a `ServiceError` of the status: kind, effect and attempts are those that the policies saw.
//! let answer = health.check(HealthCheckRequest { service: String::new() }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What goes with a call
//!
//! `grpc-timeout`, what is left of the deadline, and `x-nova-attempt` are written anew for each attempt. `x-request-id`, `traceparent`,
//! `tracestate` and `authorization` come from the call, or else from the [`CallContext`](nova_models::CallContext) (the id is a new one);
//! `x-nova-source` is the builder's. The deadline is the earliest of the channel's setting, the context's less a margin, and the one that
//! the call was given (`Request::set_timeout`).
//!
//! # When a call is tried again
//!
//! As for commands: where the request took no effect, or where the call is idempotent. A method is, where
//! [`idempotent_methods`](GrpcChannelBuilder::idempotent_methods) names it; a single call says so itself, which counts for more:
//!
//! ```
//! use nova_models::Idempotency;
//! use tonic::Request;
//!
//! let mut request = Request::new(());
//! request.extensions_mut().insert(Idempotency::Safe);
//! ```
//!
//! `RetryInfo` in the details of a status is honoured like `Retry-After`. `UNAVAILABLE` without any details, and an answer that is
//! no gRPC, come from the way and not from the service: their effect is unknown. A connection that is refused and a stream that is refused have none.
//!
//! # What the generated client sees
//!
//! A `Status` that is fit to be handed on to one's own callers: the code of the error's kind, its public message, and details
//! by which a family's client knows that it is not retryable where the retries are spent. The [`ServiceError`](nova_errors::ServiceError) that the policies
//! saw is its source, and `ServiceError::from` gives it back; what the peer said in words is further down its chain, as a `Status` too.
//!
//! # Streams
//!
//! A stream cannot be held back to be tried again. The methods that [`streaming_methods`](GrpcChannelBuilder::streaming_methods) names pass
//! by all policies: they get the headers, and the context's deadline where there is one. A streaming method that is not named there is treated as a unary one,
//! and held back until it ends, or its deadline or the bound is reached.
//!
//! # What can be seen
//!
//! [`GrpcChannel::breaker_state`] and [`GrpcChannel::retries_available`]; a histogram `rpc.client.call.duration` in seconds, by the
//! [OpenTelemetry conventions](https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/), with the labels `rpc.system.name`, `rpc.method`,
//! `rpc.response.status_code` and `error.type`, of unary calls with all their attempts; and a span `call` with the same for each of them. A
//! method is named as it is called, as those who call are generated clients, and the methods of a service are few.
//!
//! # Connections
//!
//! [`endpoint`] and [`GrpcChannelBuilder::connect`] set what tonic leaves off: keep-alive every 10 s, idle or not, given up
//! after 5 s of silence; 1 s to connect; no delay of small packets. tonic connects at the first call, and again at the first call after
//! the connection is lost, for ever; names are resolved each time. It has no backoff of its own: the waits between the attempts and the circuit breaker see to that.
//!
//! # Bounds
//!
//! | what | default |
//! |---|---|
//! | a message, and the body of an answer | 4 MiB |
//! | the rest | as for commands: see the [crate's documentation](crate#bounds) |

mod answer;
mod buffered_body;
mod builder;
mod call_record;
mod endpoint;
mod exchange;
mod grpc_channel;
mod methods;
mod outgoing;
mod timeout;

pub use builder::GrpcChannelBuilder;
pub use endpoint::endpoint;
pub use grpc_channel::{GrpcChannel, GrpcFuture};
