//! Hypercalls: the page they go through, typed wrappers one file a family, and a count of each.
//!
//! The page is filled by Xen, and checked afterwards: it begins as zeroes, so a hypervisor that did
//! nothing is found out before the first call, not by it. Until then, and where it was not filled
//! again for a restored domain, every call fails with ENOSYS and no instruction of the page runs.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use x86_64::registers::model_specific::Msr;

use crate::mem::cpu;
use crate::xen::abi::PAGE_BYTES;
use crate::xen::abi::cpuid::{
    FIRST_LEAF, HVM_DOMID_PRESENT, HVM_LEAF, HYPERCALL_LEAF, LEAF_PLACES, LEAF_STEP, SIGNATURE_EBX,
    SIGNATURE_ECX, SIGNATURE_EDX,
};

pub mod errno;
pub mod event_channel;
pub mod grant_table;
pub mod hvm;
pub mod memory;
mod multicall;
pub mod sched;
pub mod vcpu;

pub use errno::Errno;

/// Declares the counted hypercalls: a name in the code and a name in the report.
macro_rules! counted {
    ($($name:ident => $text:literal,)*) => {
        /// A hypercall that this image makes, for counting.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum Counted {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        /// Names in the report, in the order of [`Counted`], each with a blank behind it.
        pub const COUNTED_NAMES: &str = concat!($($text, " "),*);
        /// How many kinds are counted.
        pub const COUNTED: usize = [$(Counted::$name),*].len();
    };
}

counted! {
    EvtchnAllocUnbound => "evtchn.alloc_unbound",
    EvtchnBindInterdomain => "evtchn.bind_interdomain",
    EvtchnBindVirq => "evtchn.bind_virq",
    EvtchnBindIpi => "evtchn.bind_ipi",
    EvtchnClose => "evtchn.close",
    EvtchnSend => "evtchn.send",
    EvtchnStatus => "evtchn.status",
    HvmGetParam => "hvm.get_param",
    HvmSetParam => "hvm.set_param",
    MemoryAddToPhysmap => "memory.add_to_physmap",
    GrantSetVersion => "grant.set_version",
    GrantMap => "grant.map",
    GrantUnmap => "grant.unmap",
    Multicall => "multicall",
    SchedPoll => "sched.poll",
    SchedShutdown => "sched.shutdown",
    VcpuTimer => "vcpu.set_singleshot_timer",
}

/// 64 bits each: a peer that rings in a loop passes 32 bits within hours.
static COUNTS: [AtomicU64; COUNTED] = [const { AtomicU64::new(0) }; COUNTED];

/// How often each kind was called since the start, in the order of [`COUNTED_NAMES`].
pub fn counts() -> [u64; COUNTED] {
    core::array::from_fn(|index| COUNTS[index].load(Ordering::Relaxed))
}

/// Makes a counter stand where 32 bits end.
#[cfg(test)]
pub(crate) fn count_to_32_bits(what: Counted) {
    COUNTS[what as usize].fetch_add(u32::MAX.into(), Ordering::Relaxed);
}

pub(crate) fn count(what: Counted) {
    COUNTS[what as usize].fetch_add(1, Ordering::Relaxed);
}

/// A hypercall of two arguments, a command and the address of a structure, by the structure's type.
///
/// # Safety
/// 1. The type is `repr(C)` data, laid out as the header says for this command. Every bit pattern is
///    a value, so that Xen may write anything into it.
/// 2. Of this domain's memory the command reads and writes the structure alone. Reading more, as
///    `SCHEDOP_poll` does through its pointer, is allowed.
/// 3. The command changes nothing of what this domain's memory holds or where it lies, for every
///    value that safe code can make. Where some values would (`XENMEM_add_to_physmap` takes RAM away),
///    the type has private fields, and its constructors make the harmless values alone.
unsafe trait Operation {
    /// `__HYPERVISOR_*`.
    const OP: u32;
    /// The command.
    const COMMAND: u32;
    /// How it is counted.
    const COUNTED: Counted;
}

/// Implements [`Operation`], for the reasons given in the comment before it: the type, the hypercall,
/// the command and the name of its count.
macro_rules! operation {
    ($($argument:ty: $op:expr, $command:expr, $counted:ident;)*) => {
        $(
            // SAFETY: stated where the macro is used.
            unsafe impl $crate::hypercall::Operation for $argument {
                const OP: u32 = $op;
                const COMMAND: u32 = $command;
                const COUNTED: $crate::hypercall::Counted = $crate::hypercall::Counted::$counted;
            }
        )*
    };
}
use operation;

/// Makes one hypercall, counted. Xen reads and writes `argument`.
fn call<T: Operation>(argument: &mut T) -> Result<u64, Errno> {
    count(T::COUNTED);
    require_page()?;
    let address = (&raw mut *argument).expose_provenance() as u64;
    // SAFETY:
    // 1. Xen has filled the page, and it was checked: `require_page`.
    // 2. Xen writes no memory but `argument`, which is borrowed for the call, and does nothing to
    //    where memory lies: `T` is an `Operation`. Memory is mapped at the address that it has for
    //    Xen, which looks the address up in this domain's page tables.
    // 3. No red zone: images are compiled without (`.cargo/image.toml`).
    Errno::check(unsafe { xen_sys::hypercall_2(T::OP, u64::from(T::COMMAND), address) })
}

/// Whether Xen has filled the page in this life of the domain.
static FILLED: AtomicBool = AtomicBool::new(false);

/// Refuses a call while the page holds no code, or that of a former life's Xen.
fn require_page() -> Result<(), Errno> {
    if FILLED.load(Ordering::Relaxed) { Ok(()) } else { Err(Errno::ENOSYS) }
}

/// The page that Xen fills. It lies in `.bss`, which costs the file nothing; paging makes this one
/// page executable and read-only.
#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; PAGE_BYTES]>);

// SAFETY: no Rust code writes the contents. Xen writes them when `fill` asks for it; they are read
// by `page_is_filled`, as volatile, and executed by hypercalls, both only after that.
unsafe impl Sync for Page {}

/// The symbol that xen-sys calls through.
// SAFETY: nothing else has this name: xen-sys declares it and defines none.
#[unsafe(no_mangle)]
static HYPERCALL_PAGE: Page = Page(UnsafeCell::new([0; PAGE_BYTES]));

/// Where the page lies, for paging.
pub(crate) fn page_address() -> u64 {
    HYPERCALL_PAGE.0.get() as u64
}

/// First of Xen's CPUID leaves.
pub(crate) fn xen_leaves() -> Option<u32> {
    (0..LEAF_PLACES).map(|place| FIRST_LEAF + place * LEAF_STEP).find(|&base| {
        let leaf = cpu::cpuid(base);
        leaf.ebx == SIGNATURE_EBX && leaf.ecx == SIGNATURE_ECX && leaf.edx == SIGNATURE_EDX
    })
}

/// Where [`fill`] has found them; 0 before.
static XEN_LEAVES: AtomicU32 = AtomicU32::new(0);

/// This domain's number as CPUID gives it; `None` where Xen does not. To be called after [`fill`].
pub(crate) fn domid() -> Option<u16> {
    let leaf = cpu::cpuid(XEN_LEAVES.load(Ordering::Relaxed) + HVM_LEAF);
    if leaf.eax & HVM_DOMID_PRESENT == 0 {
        return None;
    }
    u16::try_from(leaf.ecx).ok()
}

/// Does the page hold code? Looks at the stub of `sched_op`, which every image needs.
pub(crate) fn page_is_filled() -> bool {
    const STUB_BYTES: usize = 32;
    let stub = HYPERCALL_PAGE.0.get().cast::<u8>();
    let at = xen_sys::__HYPERVISOR_sched_op as usize * STUB_BYTES;
    // SAFETY: a byte of the page, which is a static. Xen writes it within `fill`'s WRMSR only, so not
    // at the same time, and the read is volatile because the compiler knows of no such write.
    let first = unsafe { stub.wrapping_add(at).read_volatile() };
    // No instruction that a stub could begin with is a zero.
    first != 0
}

/// Why there is no hypercall page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FillError {
    /// No CPUID leaf has Xen's signature.
    NoXenLeaves,
    /// Xen wants to fill this many pages; there is one.
    Pages(u32),
    /// Xen left the page empty.
    NotFilled,
}

/// Has Xen fill the hypercall page, and checks that it did. Xen writes guest memory whatever the
/// guest's page tables say;
/// in a restored domain it may be another Xen, whose calls are made otherwise.
pub(crate) fn fill() -> Result<(), FillError> {
    FILLED.store(false, Ordering::Relaxed);
    let base = xen_leaves().ok_or(FillError::NoXenLeaves)?;
    XEN_LEAVES.store(base, Ordering::Relaxed);
    let leaf = cpu::cpuid(base + HYPERCALL_LEAF);
    if leaf.eax != 1 {
        // More than the one page that is there.
        return Err(FillError::Pages(leaf.eax));
    }
    let page = HYPERCALL_PAGE.0.get().expose_provenance() as u64;
    // SAFETY:
    // 1. Xen's leaves, found by their signature, name the MSR. It takes the address of a page, and
    //    Xen fills this page with its stubs.
    // 2. The page is a static of its own, to whose contents there is no reference, and this
    //    processor, the only one, does not execute in it now.
    unsafe { Msr::new(leaf.ebx).write(page) };
    if !page_is_filled() {
        return Err(FillError::NotFilled);
    }
    FILLED.store(true, Ordering::Relaxed);
    Ok(())
}
