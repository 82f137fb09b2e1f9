//! Segments, the task state segment and the interrupt descriptor table.
//!
//! Every vector runs on an IST stack: pre-built `core` is compiled with a red zone, so nothing may
//! ever be pushed below the interrupted stack pointer. NMI, double fault and machine check have
//! stacks of their own, for they may interrupt another handler.

use core::mem::MaybeUninit;

use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, Segment};
use x86_64::instructions::tables::{lidt, load_tss};
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::idt::{Entry, HandlerFunc};
use x86_64::structures::tss::TaskStateSegment;

use super::exceptions::{EXCEPTIONS, exception_stub, upcall_stub};
use super::layout::Raw;
use crate::mem::static_cell::StaticCell;
use crate::xen::events::UPCALL_VECTOR;

/// Bytes of an interrupt stack: the report of an exception formats numbers, nothing more.
const IST_STACK_BYTES: usize = 8 * 1024;
/// Interrupt stacks.
const IST_STACKS: usize = 4;
/// Gates: the exceptions', and the upcall's behind them. Whatever else is raised finds none, which is
/// a general-protection exception whose error code names the vector.
const GATES: usize = EXCEPTIONS + 1;
const _: () = assert!(UPCALL_VECTOR as usize == EXCEPTIONS);

/// Non-maskable interrupt.
const NMI: usize = 2;
/// Double fault.
const DOUBLE_FAULT: usize = 8;
/// Machine check.
const MACHINE_CHECK: usize = 18;

static IST: Raw<{ IST_STACKS * IST_STACK_BYTES }> = Raw::new();

type Gate = Entry<HandlerFunc>;

/// The tables, which the processor reads for as long as the image runs.
struct Tables {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
}

static TABLES: StaticCell<Tables> =
    StaticCell::new(Tables { gdt: GlobalDescriptorTable::new(), tss: TaskStateSegment::new() });

/// The interrupt descriptor table. Not initialised here: an empty gate is not all zeroes, and would lie
/// in the image's file.
static IDT: StaticCell<[MaybeUninit<Gate>; GATES]> =
    StaticCell::new([const { MaybeUninit::uninit() }; GATES]);

/// Builds and loads the three tables.
pub(crate) fn load() {
    let tables = TABLES.take();
    for index in 0..IST_STACKS {
        let top = IST.address() + ((index + 1) * IST_STACK_BYTES) as u64;
        tables.tss.interrupt_stack_table[index] = VirtAddr::new(top);
    }
    let code = tables.gdt.append(Descriptor::kernel_code_segment());
    let tss = tables.gdt.append(Descriptor::tss_segment(&tables.tss));
    tables.gdt.load();
    // SAFETY: the selector of the 64-bit code segment that was just loaded.
    unsafe { CS::set_reg(code) };
    // SAFETY: the selector of the task state segment that was just loaded.
    unsafe { load_tss(tss) };
    let idt = IDT.take();
    for (vector, gate) in idt.iter_mut().enumerate() {
        let gate = gate.write(Gate::missing());
        let (handler, stack) = match vector {
            NMI => (exception_stub(vector), 1),
            DOUBLE_FAULT => (exception_stub(vector), 2),
            MACHINE_CHECK => (exception_stub(vector), 3),
            _ if vector < EXCEPTIONS => (exception_stub(vector), 0),
            _ => (upcall_stub(), 0),
        };
        // SAFETY: the address of a stub that ends in `iretq` or never returns.
        let options = unsafe { gate.set_handler_addr(VirtAddr::new(handler)) };
        // SAFETY: the TSS above holds a stack at this index; handlers never nest on one stack,
        // because gates clear the interrupt flag and an exception's report never returns.
        unsafe { options.set_stack_index(stack) };
    }
    let pointer = DescriptorTablePointer {
        limit: (size_of::<[Gate; GATES]>() - 1) as u16,
        base: VirtAddr::from_ptr(&raw const *idt),
    };
    // SAFETY: a complete table that lives in a static.
    unsafe { lidt(&pointer) };
}
