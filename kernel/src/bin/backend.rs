//! The backend: serves whoever is introduced to it, until the toolstack ends it.
#![no_std]
#![no_main]

kernel::entry!(kernel::job::backend);
