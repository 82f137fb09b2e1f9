//! Port 0xe9: a byte written there appears on Xen's console, as `(dN) …` line by line.
//!
//! It works from the first instruction on (xen/arch/x86/hvm/hvm.c, `hvm_print_line`), for every
//! kind of domain, and each byte costs an exit; so it serves boot and crashes only.

use x86_64::instructions::port::Port;

/// `hvm_print_line` is registered for this port.
const PORT: u16 = 0xe9;

/// Writes bytes.
pub(super) fn write(bytes: &[u8]) {
    let mut port: Port<u8> = Port::new(PORT);
    for &byte in bytes {
        // SAFETY: Xen only collects the byte; no memory and no other device is involved.
        unsafe { port.write(byte) };
    }
}
