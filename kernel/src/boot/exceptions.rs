//! Exceptions: the assembly stubs, and the report that ends the domain as *crashed*.
//!
//! An exception is always one of our bugs. Its registers go to port 0xe9 (Xen's own console, which
//! needs nothing of this image to work) and to the PV console if that is not in use at the moment.

use core::arch::global_asm;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::registers::control::Cr2;

use crate::console::Emergency;
use crate::xen::hypercall::sched::{self, ShutdownReason};
use crate::xen::shared_info::UPCALL_PENDING_ADDRESS;

/// Vectors that x86 reserves for exceptions.
pub(super) const EXCEPTIONS: usize = 32;
/// Bytes from one exception's stub to the next: two pushes of a byte and a jump.
const STUB_BYTES: usize = 9;

/// What the stubs leave on the stack, lowest address first.
#[repr(C)]
struct Frame {
    /// r15, r14, …, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax.
    general: [u64; 15],
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// Names of `Frame::general`.
const GENERAL: &str = "r15 r14 r13 r12 r11 r10 r9 r8 rbp rdi rsi rdx rcx rbx rax";

global_asm!(
    ".pushsection .text.tether_stubs, \"ax\", @progbits",
    "tether_exception_stubs:",
    ".set tether_vector, 0",
    ".rept {exceptions}",
    ".org tether_exception_stubs + tether_vector * {stub_bytes}",
    // The processor pushes an error code for these; the others get a zero in its place.
    ".ifeq (tether_vector == 8) + (tether_vector >= 10 && tether_vector <= 14) \
     + (tether_vector == 17) + (tether_vector == 21) + (tether_vector == 29) \
     + (tether_vector == 30)",
    "push 0",
    ".endif",
    "push tether_vector",
    "jmp tether_exception",
    ".set tether_vector, tether_vector + 1",
    ".endr",
    "tether_exception:",
    "push rax",
    "push rbx",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push rbp",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "cld",
    "mov rdi, rsp",
    // The processor aligned the stack to 16 and 22 words lie on it: aligned for the call.
    "call {report}",
    "ud2",
    // An event upcall only has to end a HLT: whoever waits looks at the pending bits itself. Xen
    // raises the next one only once `vcpu_info[0].evtchn_upcall_pending` is zero again.
    "tether_upcall_stub:",
    "push rax",
    "movabs rax, {upcall_pending}",
    "mov byte ptr [rax], 0",
    "pop rax",
    "iretq",
    ".popsection",
    stub_bytes = const STUB_BYTES,
    exceptions = const EXCEPTIONS,
    upcall_pending = const UPCALL_PENDING_ADDRESS,
    report = sym report,
);

unsafe extern "C" {
    // The labels above. Only their addresses mean anything.
    static tether_exception_stubs: u8;
    static tether_upcall_stub: u8;
}

/// Address of an exception's stub.
pub(super) fn exception_stub(vector: usize) -> u64 {
    assert!(vector < EXCEPTIONS);
    (&raw const tether_exception_stubs).addr() as u64 + (vector * STUB_BYTES) as u64
}

/// Address of the event upcall's stub.
pub(super) fn upcall_stub() -> u64 {
    (&raw const tether_upcall_stub).addr() as u64
}

/// What happened, for people.
fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        6 => "invalid opcode",
        8 => "double fault",
        13 => "general protection",
        14 => "page fault",
        18 => "machine check",
        _ => "exception",
    }
}

static REPORTING: AtomicBool = AtomicBool::new(false);

/// Prints the registers and ends the domain.
extern "C" fn report(frame: &Frame) -> ! {
    // An exception inside a report: nothing can be said any more, but the domain still ends.
    if !REPORTING.swap(true, Ordering::Relaxed) {
        let mut out = Emergency::open();
        let cr2 = Cr2::read_raw();
        let _ = writeln!(
            out,
            "crash: {} (vector {}, error {:#x}) rip={:#x} rsp={:#x} cr2={cr2:#x} rflags={:#x} \
             cs={:#x} ss={:#x}",
            name(frame.vector),
            frame.vector,
            frame.error,
            frame.rip,
            frame.rsp,
            frame.rflags,
            frame.cs,
            frame.ss
        );
        for (name, value) in GENERAL.split_ascii_whitespace().zip(frame.general) {
            let _ = write!(out, "{name}={value:#x} ");
        }
        let _ = writeln!(out);
        out.close();
    }
    sched::shutdown(ShutdownReason::Crash)
}
