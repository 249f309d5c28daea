#[cfg(feature = "postgres")]
mod postgres;
#[cfg(not(feature = "postgres"))]
mod sqlite;

#[cfg(feature = "postgres")]
pub(crate) use postgres::Databases;
#[cfg(not(feature = "postgres"))]
pub(crate) use sqlite::Databases;
