#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "axum-08")]
mod axum_08;
#[cfg(feature = "backoff-04")]
mod backoff_04;
#[cfg(feature = "rdkafka-039")]
mod rdkafka_039;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "reqwest-013", feature = "tonic-014"))]
mod refused_stream;
#[cfg(feature = "reqwest-013")]
mod reqwest_013;
#[cfg(any(feature = "actix", feature = "axum-08"))]
mod retry_after;
#[cfg(feature = "sqlx-09")]
mod sqlx_09;
#[cfg(feature = "tonic-014")]
pub(crate) mod tonic_014;
