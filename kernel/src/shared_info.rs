//! The shared info page: pending events and the clock's parameters, as Xen writes them.
//!
//! It is placed in the window's first page, so no RAM is lost. Xen writes it at any time: every
//! access is an atomic one through this file, and nothing is ever borrowed from it.

use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use xen_sys::{shared_info, vcpu_info, vcpu_time_info};

use crate::abi::PAGE_BYTES;
use crate::boot::paging::WINDOW_BASE;
use crate::hypercall::memory;
use crate::refusal::Refusal;

/// Ports that the 2-level ABI can name (event_channel.h, `EVTCHN_2L_NR_CHANNELS` on 64 bits).
pub(crate) const PORTS: u32 = 4096;
/// Bits in a word of the pending and mask arrays.
const WORD_BITS: u32 = 64;

const ADDRESS: u64 = WINDOW_BASE;
const _: () = assert!(size_of::<shared_info>() <= PAGE_BYTES);
/// The time parameters of processor 0.
const TIME_AT: usize = offset_of!(shared_info, vcpu_info) + offset_of!(vcpu_info, time);

/// Has the page placed. Called once in each life of the domain, before anything below.
pub(crate) fn place() -> Result<(), Refusal> {
    memory::place(memory::XenPage::SharedInfo, ADDRESS)
        .map_err(|errno| Refusal::errno("shared-info-not-placed", errno))
}

/// The address of something in the page.
fn at<T>(offset: usize) -> *mut T {
    assert!(offset + size_of::<T>() <= PAGE_BYTES);
    ptr::with_exposed_provenance_mut(ADDRESS as usize + offset)
}

fn word_u64(offset: usize) -> &'static AtomicU64 {
    // SAFETY: the address is in the page, aligned (offsets come from the layout),
    // mapped for as long as the image runs, and only ever accessed atomically.
    unsafe { AtomicU64::from_ptr(at(offset)) }
}

fn word_u32(offset: usize) -> &'static AtomicU32 {
    // SAFETY: see `word_u64`.
    unsafe { AtomicU32::from_ptr(at(offset)) }
}

fn byte(offset: usize) -> &'static AtomicU8 {
    // SAFETY: see `word_u64`.
    unsafe { AtomicU8::from_ptr(at(offset)) }
}

/// Is the port's pending bit set? It is cleared.
pub(crate) fn take_pending(port: u32) -> bool {
    let (word, bit) = place_of(offset_of!(shared_info, evtchn_pending), port);
    if word.load(Ordering::Relaxed) & bit == 0 {
        return false;
    }
    // Acquire: what the sender wrote before ringing is seen by what follows.
    word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
}

/// Is the port's pending bit set?
pub(crate) fn is_pending(port: u32) -> bool {
    let (word, bit) = place_of(offset_of!(shared_info, evtchn_pending), port);
    word.load(Ordering::Acquire) & bit != 0
}

/// Masks every port: no upcall, only pending bits.
pub(crate) fn mask_all() {
    const WORDS: usize = (PORTS / WORD_BITS) as usize;
    // SAFETY: see `word_u64`; the array is as long as the layout says.
    let words: &[AtomicU64; WORDS] = unsafe { &*at(offset_of!(shared_info, evtchn_mask)) };
    for word in words {
        word.store(u64::MAX, Ordering::Relaxed);
    }
}

/// Lets one port raise upcalls.
pub(crate) fn unmask(port: u32) {
    let (word, bit) = place_of(offset_of!(shared_info, evtchn_mask), port);
    word.fetch_and(!bit, Ordering::AcqRel);
}

/// Masks one port.
pub(crate) fn mask(port: u32) {
    let (word, bit) = place_of(offset_of!(shared_info, evtchn_mask), port);
    word.fetch_or(bit, Ordering::Relaxed);
}

/// Forgets pending upcalls: the bits of the ports stay.
pub(crate) fn clear_upcall() {
    byte(offset_of!(vcpu_info, evtchn_upcall_pending)).store(0, Ordering::Relaxed);
    word_u64(offset_of!(vcpu_info, evtchn_pending_sel)).swap(0, Ordering::AcqRel);
}

fn place_of(array: usize, port: u32) -> (&'static AtomicU64, u64) {
    assert!(port < PORTS);
    let offset = array + (port / WORD_BITS) as usize * size_of::<u64>();
    (word_u64(offset), 1 << (port % WORD_BITS))
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
    let version = word_u32(TIME_AT + offset_of!(vcpu_time_info, version));
    for _ in 0..TIME_TRIES_MAX {
        let before = version.load(Ordering::Acquire);
        let parameters = TimeParameters {
            tsc_timestamp: word_u64(TIME_AT + offset_of!(vcpu_time_info, tsc_timestamp))
                .load(Ordering::Acquire),
            system_time: word_u64(TIME_AT + offset_of!(vcpu_time_info, system_time))
                .load(Ordering::Acquire),
            multiplier: word_u32(TIME_AT + offset_of!(vcpu_time_info, tsc_to_system_mul))
                .load(Ordering::Acquire),
            shift: byte(TIME_AT + offset_of!(vcpu_time_info, tsc_shift)).load(Ordering::Acquire)
                as i8,
        };
        // The acquiring loads above keep this one behind them.
        let after = version.load(Ordering::Relaxed);
        if before == after && before & 1 == 0 && before != 0 {
            return Some(parameters);
        }
    }
    None
}
