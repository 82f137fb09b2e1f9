//! The host side: what judges the libraries and the images from outside.
//!
//! [`sim`] is a simulated Xen in which the same driver runs as in the images; [`bed`] is the real one.
#![forbid(unsafe_code)]

pub mod bed;
pub mod sim;
