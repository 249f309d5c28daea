mod body;
mod call;
mod health;
mod layer;
mod method_names;
mod service;
mod timeout;

pub use health::GrpcHealth;
pub use layer::GrpcLayer;
pub use service::LayeredGrpc;
