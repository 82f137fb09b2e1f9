//! Copying and filling memory: the functions that compiled code expects to find (memcpy and its
//! kin), and the same for memory that others write.
//!
//! String instructions, eight bytes at a time: short, right for overlapping ranges when the
//! direction is chosen, opaque to the compiler (so that no loop here can be compiled into a call of
//! the very function it implements), and one instruction a word where instructions are the clock.
//! The test `image_code` looks into an image whether that is so.

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
#[cfg(any(feature = "image", test))]
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

/// Compares bytes from the lowest address on, as unsigned: less than zero if the first that differs is
/// smaller at `left`, more if it is larger, zero if none differs.
///
/// # Safety
/// `left` and `right` must be mapped for `bytes`.
#[cfg(any(feature = "image", test))]
unsafe fn compare(left: *const u8, right: *const u8, bytes: usize) -> i32 {
    let order: i32;
    // SAFETY: the caller's promise; the direction flag is clear by the ABI. Both string instructions
    // stop behind what differs. Where a word did, its eight bytes are compared again, one by one.
    unsafe {
        asm!(
            // Equal so far: an instruction that is repeated no times leaves the flags alone.
            "cmp eax, eax",
            "repe cmpsq",
            "mov ecx, {rest:e}",
            "je 2f",
            "lea rsi, [rsi - 8]",
            "lea rdi, [rdi - 8]",
            "mov ecx, 8",
            "2:",
            "repe cmpsb",
            "seta al",
            "sbb al, 0",
            "movsx eax, al",
            rest = in(reg) bytes % 8,
            inout("rcx") bytes / 8 => _,
            inout("rsi") left => _,
            inout("rdi") right => _,
            out("eax") order,
            options(nostack, readonly)
        );
    }
    order
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
        // SAFETY: the ranges are mapped.
        unsafe { super::compare(left, right, bytes) }
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

#[cfg(test)]
mod tests {
    use super::{compare, copy_backward, copy_forward, fill};

    /// More than two words, so that both parts of each function do some of it.
    const LENGTH_MAX: usize = 19;

    #[test]
    fn comparing_orders_like_slices_do() {
        let left: [u8; LENGTH_MAX] = core::array::from_fn(|index| index as u8 * 13);
        for length in 0..=LENGTH_MAX {
            for (at, other) in (0..LENGTH_MAX).flat_map(|at| [0, 127, 128, 255].map(|b| (at, b))) {
                let mut right = left;
                right[at] = other;
                // What differs further on must not be what decides.
                right[LENGTH_MAX - 1] ^= 0xff;
                let (left, right) = (&left[..length], &right[..length]);
                // SAFETY: two slices of that length.
                let order = unsafe { compare(left.as_ptr(), right.as_ptr(), length) };
                assert_eq!(order.cmp(&0), left.cmp(right), "{length} {at} {other}");
            }
        }
    }

    #[test]
    fn copies_and_fills_write_their_range_alone() {
        for length in 0..=LENGTH_MAX {
            let before: [u8; 2 * LENGTH_MAX + 2] = core::array::from_fn(|index| index as u8 + 1);
            for (from, to) in [(1, 0), (3, 0), (0, 1), (0, 3), (0, LENGTH_MAX), (5, 5)] {
                let (mut bytes, mut expected) = (before, before);
                expected.copy_within(from..from + length, to);
                let start = bytes.as_mut_ptr();
                let (to, from) = (start.wrapping_add(to), start.wrapping_add(from).cast_const());
                if to.addr() <= from.addr() {
                    // SAFETY: both in `bytes`, and `to` is not behind `from`.
                    unsafe { copy_forward(to, from, length) };
                } else {
                    // SAFETY: both in `bytes`, and `to` is behind `from`.
                    unsafe { copy_backward(to, from, length) };
                }
                assert_eq!(bytes, expected, "{length}");
            }
            let (mut bytes, mut expected) = (before, before);
            expected[1..=length].fill(0xa5);
            // SAFETY: in `bytes`.
            unsafe { fill(bytes.as_mut_ptr().wrapping_add(1), 0xa5, length) };
            assert_eq!(bytes, expected, "{length}");
        }
    }
}
