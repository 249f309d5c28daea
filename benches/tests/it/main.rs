//! What calls allocate and copy.

mod allocations;
mod body;
