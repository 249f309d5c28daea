//! The auth service, over HTTP and gRPC: on SQLite, or with the feature `postgres` on the server in `DATABASE_URL`.

mod forgery;
mod login;
mod processes;
mod registration;
mod secrets;
mod service;
mod sessions;
mod users;
