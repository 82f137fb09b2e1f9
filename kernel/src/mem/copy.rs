//! Ways to copy memory, for measuring which is the fastest on this machine. The image itself copies
//! eight bytes at a time by a string instruction (`memory.rs`).

use core::arch::asm;

/// Bytes that [`copy_by_vectors`] moves in a turn.
pub const VECTOR_STEP_BYTES: usize = 128;

/// Copies one byte at a time by a string instruction, which some processors make the fastest.
///
/// # Panics
/// If the slices differ in length.
pub fn copy_by_bytes(into: &mut [u8], from: &[u8]) {
    assert!(into.len() == from.len());
    // SAFETY:
    // 1. Both are slices of the length that is copied, and distinct.
    // 2. The direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") into.len() => _,
            inout("rdi") into.as_mut_ptr() => _,
            inout("rsi") from.as_ptr() => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Copies sixteen bytes at a time, eight of these a turn.
///
/// # Panics
/// If the slices differ in length, or are no multiple of [`VECTOR_STEP_BYTES`], or empty.
pub fn copy_by_vectors(into: &mut [u8], from: &[u8]) {
    assert!(into.len() == from.len());
    assert!(into.len().is_multiple_of(VECTOR_STEP_BYTES) && !into.is_empty());
    // SAFETY: both are slices of the length that is copied, at least one turn's, and distinct.
    unsafe {
        asm!(
            "2:",
            "movups xmm0, [rsi]",
            "movups xmm1, [rsi + 16]",
            "movups xmm2, [rsi + 32]",
            "movups xmm3, [rsi + 48]",
            "movups xmm4, [rsi + 64]",
            "movups xmm5, [rsi + 80]",
            "movups xmm6, [rsi + 96]",
            "movups xmm7, [rsi + 112]",
            "movups [rdi], xmm0",
            "movups [rdi + 16], xmm1",
            "movups [rdi + 32], xmm2",
            "movups [rdi + 48], xmm3",
            "movups [rdi + 64], xmm4",
            "movups [rdi + 80], xmm5",
            "movups [rdi + 96], xmm6",
            "movups [rdi + 112], xmm7",
            "sub rsi, -128",
            "sub rdi, -128",
            "sub rcx, 128",
            "jnz 2b",
            inout("rcx") into.len() => _,
            inout("rdi") into.as_mut_ptr() => _,
            inout("rsi") from.as_ptr() => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            options(nostack)
        );
    }
}
