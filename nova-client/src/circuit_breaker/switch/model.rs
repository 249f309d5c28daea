//! The switch against a plain model of its promises: by random histories for what it decides, and by every order in which a few
//! threads can meet (loom) for what it does at once.

mod history;
mod threads;
