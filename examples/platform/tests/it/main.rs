//! The platform as a user has it: the binary as a process of its own, seen through its addresses.

mod bad_input;
mod crash;
mod demo;
mod engines;
mod process;
mod topic;
