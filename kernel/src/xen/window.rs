//! The window: one GiB of guest frames that never hold RAM, where Xen places shared info, grant frames
//! and other domains' pages. `boot/paging.rs` maps it.

use crate::mem::untyped::Untyped;
use crate::xen::abi::PAGE_BYTES;

/// Guest-physical address of the window: right behind Xen's special pages. What a domain of less
/// than 4 GiB has ends there, so the window is behind all RAM; and whoever saves a domain looks at
/// every frame up to its last one and writes eight bytes for each, so it lies as low as can be
/// (docs/decisions/0009-window-at-4-gib.md).
pub(crate) const WINDOW_BASE: u64 = 4 << 30;
/// Bytes of the window.
pub(crate) const WINDOW_BYTES: u64 = 1 << 30;
/// Xen's special pages and the local APIC lie between these addresses.
const SPECIAL_BASE: u64 = 3 << 30;
/// End of the special pages' GiB.
const SPECIAL_END: u64 = 4 << 30;

/// A guest frame of the window: it never had RAM, so that Xen may put any page there and no Rust object
/// is lost. Only [`window_frame`] makes one; what hands frames to Xen relies on that.
#[derive(Clone, Copy)]
pub(crate) struct WindowFrame(u64);

impl WindowFrame {
    /// The frame's number.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// The frame's guest-physical address.
    pub(crate) const fn address(self) -> u64 {
        self.0 * PAGE_BYTES as u64
    }
}

/// The frame of a page of the window. Boot has checked against the memory map that there is no RAM in
/// the window, before anything is placed there.
pub(crate) const fn window_frame(slot: u32) -> WindowFrame {
    assert!((slot as u64) < WINDOW_BYTES / PAGE_BYTES as u64);
    WindowFrame(WINDOW_BASE / PAGE_BYTES as u64 + slot as u64)
}

/// One of Xen's special pages (store or console ring), given its frame. `None` where the frame lies
/// elsewhere than they ever do.
pub(crate) fn special_page(frame: u64) -> Option<Untyped> {
    let address = frame.checked_mul(PAGE_BYTES as u64)?;
    if !(SPECIAL_BASE..SPECIAL_END).contains(&address) {
        return None;
    }
    // SAFETY:
    // 1. `boot/paging.rs` maps this GiB for ever, and where nothing is behind an address a read gives all ones.
    // 2. It never holds RAM of ours (checked against the memory map at boot), so no Rust object.
    Some(unsafe { Untyped::new(address, PAGE_BYTES) })
}

/// A part of the window, from its page `slot` on, whatever has been placed or mapped there. Where
/// nothing is, or is no longer, reads give all ones and writes are lost: wrong, but no harm.
pub(crate) fn window(slot: u32, pages: usize) -> Untyped {
    let bytes = pages * PAGE_BYTES;
    let address = window_frame(slot).address();
    assert!(address + bytes as u64 <= WINDOW_BASE + WINDOW_BYTES);
    // SAFETY:
    // 1. `boot/paging.rs` maps the window for ever, and an access where no page is behind it is answered
    //    by Xen without a fault.
    // 2. It never holds RAM of ours (checked against the memory map at boot), so no Rust object.
    unsafe { Untyped::new(address, bytes) }
}
