//! The host side: what judges the libraries and the images from outside.
//!
//! [`sim`] is a simulated Xen in which the same driver runs as in the images; [`bed`] is the real one.
//! [`model`] is every state of two endpoints, within small bounds.
//! [`fuzz`] holds what a fuzzer may throw anything at.
#![forbid(unsafe_code)]

pub mod bed;
pub mod fuzz;
pub mod model;
pub mod sim;
