//! Copying and filling memory: the functions that compiled code expects to find (memcpy and its
//! kin), and the same for memory that others write.
//!
//! String instructions, eight bytes at a time: short, right for overlapping ranges when the
//! direction is chosen, opaque to the compiler (so that no loop here can be compiled into a call of
//! the very function it implements), and one instruction a word where instructions are the clock.

use core::arch::asm;

/// Copies upwards from the lowest address.
///
/// # Safety
/// `from` and `to` must be mapped for `bytes`, and `to` must not lie inside `from..from + bytes`
/// behind its first byte.
#[inline(always)]
pub(crate) unsafe fn copy_forward(mut to: *mut u8, mut from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep movsq",
            inout("rcx") bytes / 8 => _,
            inout("rdi") to,
            inout("rsi") from,
            options(nostack, preserves_flags)
        );
    }
    let rest = bytes % 8;
    if rest > 0 {
        // SAFETY: as above, from where the words have ended.
        unsafe {
            asm!(
                "rep movsb",
                inout("rcx") rest => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags)
            );
        }
    }
}

/// Copies downwards from the highest address.
///
/// # Safety
/// `from` and `to` must be mapped for `bytes`, and `to` must not lie before `from` by less than
/// `bytes`.
#[cfg(feature = "image")]
unsafe fn copy_backward(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise; the direction flag is set for these two instructions only, and
    // an interrupt's stub clears it for itself.
    unsafe {
        asm!(
            "std",
            "rep movsb",
            "lea rsi, [rsi - 7]",
            "lea rdi, [rdi - 7]",
            "mov rcx, {words}",
            "rep movsq",
            "cld",
            words = in(reg) bytes / 8,
            inout("rcx") bytes % 8 => _,
            inout("rdi") to.wrapping_add(bytes).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(bytes).wrapping_sub(1) => _,
            options(nostack)
        );
    }
}

/// Fills memory.
///
/// # Safety
/// `to` must be mapped for `bytes`.
pub(crate) unsafe fn fill(to: *mut u8, byte: u8, bytes: usize) {
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep stosq",
            "mov ecx, {rest:e}",
            "rep stosb",
            rest = in(reg) bytes % 8,
            inout("rcx") bytes / 8 => _,
            inout("rdi") to => _,
            in("rax") u64::from_ne_bytes([byte; 8]),
            options(nostack, preserves_flags)
        );
    }
}

/// The symbols. Only in an image: any other program has its C library's.
#[cfg(feature = "image")]
mod symbols {
    use core::ffi::c_int;

    /// C's `memcpy`.
    ///
    /// # Safety
    /// As in C.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
        // SAFETY: the ranges are mapped and do not overlap.
        unsafe { super::copy_forward(to, from, bytes) };
        to
    }

    /// C's `memmove`.
    ///
    /// # Safety
    /// As in C.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
        if to.addr().wrapping_sub(from.addr()) >= bytes {
            // SAFETY: mapped; `to` is before `from` or behind its end.
            unsafe { super::copy_forward(to, from, bytes) };
        } else {
            // SAFETY: mapped; `to` is inside `from`, not before it.
            unsafe { super::copy_backward(to, from, bytes) };
        }
        to
    }

    /// C's `memset`.
    ///
    /// # Safety
    /// As in C.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: c_int, bytes: usize) -> *mut u8 {
        // SAFETY: the range is mapped. C takes the low byte.
        unsafe { super::fill(to, byte as u8, bytes) };
        to
    }

    /// C's `memcmp`.
    ///
    /// # Safety
    /// As in C.
    #[inline(never)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, bytes: usize) -> c_int {
        for index in 0..bytes {
            // SAFETY: within the range, by the caller's promise.
            let a = unsafe { left.wrapping_add(index).read() };
            // SAFETY: as above.
            let b = unsafe { right.wrapping_add(index).read() };
            if a != b {
                return c_int::from(a) - c_int::from(b);
            }
        }
        0
    }

    /// C's `bcmp`: zero if equal.
    ///
    /// # Safety
    /// As in C.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, bytes: usize) -> c_int {
        // SAFETY: the same promise.
        unsafe { memcmp(left, right, bytes) }
    }

    /// The unwinder's hook, which pre-built `core` names and `panic=abort` never calls.
    #[unsafe(no_mangle)]
    extern "C" fn rust_eh_personality() {}
}
