//! Reports for people: tables on stdout and the page of `bench`.

pub(crate) mod bench;
pub mod page;
pub mod show;
