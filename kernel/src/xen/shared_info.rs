//! The shared info page: pending events and the clock's parameters, as Xen writes them.
//!
//! It is placed in the window's first frame, so no RAM is lost. Xen writes it at any time: every
//! access is an atomic one through this file, and nothing is ever borrowed from it.

use core::marker::PhantomData;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicI8, AtomicU8, AtomicU32, AtomicU64, Ordering};

use xen_sys::{shared_info, vcpu_info, vcpu_time_info};

use crate::xen::abi::PAGE_BYTES;
use crate::xen::boot_error::BootError;
use crate::xen::hypercall::memory;
use crate::xen::window::{WindowFrame, window_frame};

/// Ports that the 2-level ABI can name (event_channel.h, `EVTCHN_2L_NR_CHANNELS` on 64 bits).
pub(crate) const PORTS: u32 = 4096;
/// Bits in a word of the pending and mask arrays.
const WORD_BITS: u32 = 64;

/// Where the page is placed: the window's first frame.
const FRAME: WindowFrame = window_frame(0);
const _: () = assert!(size_of::<shared_info>() <= PAGE_BYTES);

/// One bit for each port.
type PortBits = [AtomicU64; (PORTS / WORD_BITS) as usize];
const PENDING: Field<PortBits> = Field::at(offset_of!(shared_info, evtchn_pending));
const MASK: Field<PortBits> = Field::at(offset_of!(shared_info, evtchn_mask));

/// Processor 0's part of the page.
const VCPU_AT: usize = offset_of!(shared_info, vcpu_info);
/// An upcall is under way, until this is zero again. The upcall's stub writes it too.
const UPCALL_PENDING_AT: usize = VCPU_AT + offset_of!(vcpu_info, evtchn_upcall_pending);
const UPCALL_PENDING: Field<AtomicU8> = Field::at(UPCALL_PENDING_AT);
/// The same, as an address.
pub(crate) const UPCALL_PENDING_ADDRESS: u64 = FRAME.address() + UPCALL_PENDING_AT as u64;
/// The words of [`PENDING`] in which there are bits since the last upcall.
const PENDING_WORDS: Field<AtomicU64> =
    Field::at(VCPU_AT + offset_of!(vcpu_info, evtchn_pending_sel));

/// The time parameters of processor 0.
const TIME_AT: usize = VCPU_AT + offset_of!(vcpu_info, time);
const TIME_VERSION: Field<AtomicU32> = Field::at(TIME_AT + offset_of!(vcpu_time_info, version));
const TIME_TSC: Field<AtomicU64> = Field::at(TIME_AT + offset_of!(vcpu_time_info, tsc_timestamp));
const TIME_SYSTEM: Field<AtomicU64> = Field::at(TIME_AT + offset_of!(vcpu_time_info, system_time));
const TIME_MULTIPLIER: Field<AtomicU32> =
    Field::at(TIME_AT + offset_of!(vcpu_time_info, tsc_to_system_mul));
const TIME_SHIFT: Field<AtomicI8> = Field::at(TIME_AT + offset_of!(vcpu_time_info, tsc_shift));

/// Has the page placed. Called once in each life of the domain, before anything below: until then
/// reads give all ones, and what is written is lost.
pub(crate) fn place() -> Result<(), BootError> {
    memory::place(memory::XenPage::SharedInfo, FRAME)
        .map_err(|errno| BootError::errno("shared-info-not-placed", errno))
}

/// What may be shared with Xen.
///
/// # Safety
/// The type is an atomic integer or an array of such.
unsafe trait Shared {}
// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU8 {}
// SAFETY: as above.
unsafe impl Shared for AtomicI8 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU32 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}
// SAFETY: an array of what may be shared.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// A field of the page; its place and alignment were checked when it was compiled.
struct Field<T>(usize, PhantomData<T>);

impl<T: Shared> Field<T> {
    const fn at(offset: usize) -> Field<T> {
        assert!(offset + size_of::<T>() <= PAGE_BYTES, "the field lies in the page");
        assert!(offset.is_multiple_of(align_of::<T>()), "the field is aligned");
        assert!(align_of::<T>() <= PAGE_BYTES, "a page is aligned for it");
        Field(offset, PhantomData)
    }

    fn get(&self) -> &'static T {
        // SAFETY:
        // 1. The field lies in the page and is aligned there: `at`, the only constructor.
        // 2. The tables map the window for ever, and an access before `place`, or in a restored domain
        //    before it was called again, is answered by Xen without a fault (`window::window`).
        // 3. It is a `Shared`: any bits are a value, and it may change behind the reference.
        // 4. No RAM of ours is there, so no other Rust object is.
        unsafe { &*ptr::with_exposed_provenance(page_address() + self.0) }
    }
}

/// Where the page is mapped.
#[cfg(not(test))]
fn page_address() -> usize {
    FRAME.address() as usize
}

/// On a host, a page of zeroes in its place.
#[cfg(test)]
fn page_address() -> usize {
    #[repr(C, align(4096))]
    struct Page([AtomicU64; PAGE_BYTES / 8]);
    static PAGE: Page = Page([const { AtomicU64::new(0) }; PAGE_BYTES / 8]);
    PAGE.0.as_ptr().expose_provenance()
}

/// Is the port's pending bit set? It is cleared.
pub(crate) fn take_pending(port: u32) -> bool {
    let (word, bit) = place_of(&PENDING, port);
    if word.load(Ordering::Relaxed) & bit == 0 {
        return false;
    }
    // Acquire: what the sender wrote before ringing is seen by what follows.
    word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
}

/// Is the port's pending bit set?
pub(crate) fn is_pending(port: u32) -> bool {
    let (word, bit) = place_of(&PENDING, port);
    word.load(Ordering::Acquire) & bit != 0
}

/// Masks every port: no upcall, only pending bits.
pub(crate) fn mask_all() {
    for word in MASK.get() {
        word.store(u64::MAX, Ordering::Relaxed);
    }
}

/// Lets one port raise upcalls.
pub(crate) fn unmask(port: u32) {
    let (word, bit) = place_of(&MASK, port);
    word.fetch_and(!bit, Ordering::AcqRel);
}

/// Masks one port.
pub(crate) fn mask(port: u32) {
    let (word, bit) = place_of(&MASK, port);
    word.fetch_or(bit, Ordering::Relaxed);
}

/// Forgets pending upcalls: the bits of the ports stay.
pub(crate) fn clear_upcall() {
    UPCALL_PENDING.get().store(0, Ordering::Relaxed);
    PENDING_WORDS.get().swap(0, Ordering::AcqRel);
}

fn place_of(bits: &Field<PortBits>, port: u32) -> (&'static AtomicU64, u64) {
    assert!(port < PORTS);
    (&bits.get()[(port / WORD_BITS) as usize], 1 << (port % WORD_BITS))
}

/// Xen's parameters for turning the time-stamp counter into system time.
#[derive(Clone, Copy)]
pub(crate) struct TimeParameters {
    /// Time-stamp counter when `system_time` held.
    pub(crate) tsc_timestamp: u64,
    /// System time then, nanoseconds.
    pub(crate) system_time: u64,
    /// Nanoseconds a tick, as a 32.32 fixed-point number, after the shift.
    pub(crate) multiplier: u32,
    /// Shift of the difference: left if positive.
    pub(crate) shift: i8,
}

/// Tries for a consistent copy: Xen rewrites the parameters once a second or so, in nanoseconds.
const TIME_TRIES_MAX: u32 = 1000;

/// A consistent copy of the parameters, or `None` where Xen never finishes writing them (odd
/// version) or has not begun (version 0).
pub(crate) fn time_parameters() -> Option<TimeParameters> {
    let version = TIME_VERSION.get();
    for _ in 0..TIME_TRIES_MAX {
        let before = version.load(Ordering::Acquire);
        let parameters = TimeParameters {
            tsc_timestamp: TIME_TSC.get().load(Ordering::Acquire),
            system_time: TIME_SYSTEM.get().load(Ordering::Acquire),
            multiplier: TIME_MULTIPLIER.get().load(Ordering::Acquire),
            shift: TIME_SHIFT.get().load(Ordering::Acquire),
        };
        // The acquiring loads above keep this one behind them.
        let after = version.load(Ordering::Relaxed);
        if before == after && before & 1 == 0 && before != 0 {
            return Some(parameters);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;
    use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

    use super::{Field, clear_upcall, is_pending, mask, mask_all, take_pending, unmask};

    /// Offsets as xen/include/public/xen.h and arch-x86/xen.h give them on 64 bits: 32 processors of
    /// 64 bytes each, then the two arrays of 512 bytes.
    const PENDING_AT: usize = 32 * 64;
    const MASK_AT: usize = PENDING_AT + 512;

    fn word(offset: usize) -> &'static AtomicU64 {
        Field::<AtomicU64>::at(offset).get()
    }

    #[test]
    fn bits_lie_where_the_header_says() {
        mask_all();
        unmask(4095);
        assert_eq!(word(MASK_AT + 504).load(Ordering::Relaxed), u64::MAX >> 1);
        mask(4095);
        assert_eq!(word(MASK_AT + 504).load(Ordering::Relaxed), u64::MAX);
        word(PENDING_AT + 8).store(1 << 3, Ordering::Relaxed);
        assert!(is_pending(67) && take_pending(67));
        assert!(!is_pending(67) && !take_pending(67));
    }

    #[test]
    fn an_upcall_is_cleared_in_the_part_of_processor_0() {
        let vcpu = offset_of!(xen_sys::shared_info, vcpu_info);
        let pending = Field::<AtomicU8>::at(vcpu).get();
        let words = Field::<AtomicU64>::at(vcpu + 8).get();
        pending.store(1, Ordering::Relaxed);
        words.store(5, Ordering::Relaxed);
        clear_upcall();
        assert_eq!((pending.load(Ordering::Relaxed), words.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    #[should_panic = "the field is aligned"]
    fn a_field_that_is_not_aligned_is_refused() {
        Field::<AtomicU64>::at(4);
    }

    #[test]
    #[should_panic = "the field lies in the page"]
    fn a_field_behind_the_page_is_refused() {
        Field::<AtomicU64>::at(4096);
    }
}
