//! Ways to copy memory, to find the best that this machine has: what a stream is compared with.

use core::arch::asm;

/// A way to copy one slice into another of the same length, a multiple of [`STEP`].
pub(super) type Routine = fn(&mut [u8], &[u8]);

/// Bytes that the widest of them moves in a turn.
const STEP: usize = 128;

/// All of them, by name.
pub(super) const ROUTINES: [(&str, Routine); 3] =
    [("movsq", image), ("movsb", bytes), ("sse", vectors)];

/// The image's own: eight bytes at a time by a string instruction.
fn image(into: &mut [u8], from: &[u8]) {
    into.copy_from_slice(from);
}

/// One byte at a time by a string instruction, which some processors make the fastest.
fn bytes(into: &mut [u8], from: &[u8]) {
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

/// Sixteen bytes at a time, eight of these a turn.
fn vectors(into: &mut [u8], from: &[u8]) {
    assert!(into.len() == from.len());
    assert!(into.len().is_multiple_of(STEP) && !into.is_empty());
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
