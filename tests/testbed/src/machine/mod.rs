//! The machine and its work: packages, dom0, QEMU, the cached boots, images, the job, and playing it.

pub mod beds;
pub mod dom0;
pub(crate) mod follow;
pub mod images;
pub mod job;
pub mod packages;
pub mod play;
pub mod qemu;
pub mod qmp;
