//! An image: the order of its boot and of a resume, its options, its self-tests, what it does with its
//! links, and how it ends.

pub mod counts;
pub(crate) mod exit_status;
pub mod links;
pub(crate) mod machine;
pub mod options;
pub mod pattern;
pub mod platform;
pub(crate) mod resume;
pub mod selftest;
pub mod stages;
pub(crate) mod start;
