mod clock;
mod key_table;
mod layer;
mod limit;
mod limiter;
mod trusted_proxies;

#[cfg(feature = "actix")]
pub(crate) use layer::Asked;
pub use layer::{RateLimitLayer, RateLimited};
pub use limit::RateLimit;
pub use limiter::{RateCheck, RateLimiter};
pub use trusted_proxies::{ClientAddress, TrustedProxies};
