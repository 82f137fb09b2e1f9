//! The frontend: connects, sends its bytes and gets them back transformed, disconnects; as often as
//! its command line says.
#![no_std]
#![no_main]

kernel::entry!(kernel::job::frontend);
