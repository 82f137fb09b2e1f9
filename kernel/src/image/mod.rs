//! An image: the order of its boot and of a resume, its options, its self-tests, what it does with its
//! links, and how it ends.

pub mod counts;
pub(crate) mod exit_status;
pub mod job;
pub(crate) mod machine;
pub mod options;
pub mod platform;
pub(crate) mod resume;
pub mod selftest;
pub(crate) mod start;
