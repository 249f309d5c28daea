//! The service as a process of its own.

mod settings;
