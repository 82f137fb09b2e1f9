//! The first instructions: from the 32-bit state in which Xen enters a PVH guest to 64-bit Rust.
//!
//! Entry state (docs/misc/pvh.pandoc): protected mode, paging off, flat segments, interrupts off,
//! `ebx` = start info. This file notes the time, builds the page tables that the rest starts on,
//! turns on long mode and SSE (compiled `core` uses it) and calls `tether_start` (`image/start.rs`). Tables
//! and stack lie in [`super::layout`]; [`super::paging`] refines the tables.

use core::arch::global_asm;

use super::layout::STACK_BYTES;
use crate::xen::window::WINDOW_BASE;

/// CR4.PAE: long mode demands it.
const CR4_PAE: u32 = 1 << 5;
/// CR4.OSFXSR: SSE instructions are allowed.
const CR4_OSFXSR: u32 = 1 << 9;
/// CR4.OSXMMEXCPT: an unmasked SSE exception is #XM, not #UD.
const CR4_OSXMMEXCPT: u32 = 1 << 10;
/// IA32_EFER.
const MSR_EFER: u32 = 0xc000_0080;
/// EFER.LME: long mode as soon as paging is on.
const EFER_LME: u32 = 1 << 8;
/// CPUID 0x80000001, which every processor with long mode has, EDX bit 20: the no-execute bit.
const CPUID_FEATURES: u32 = 0x8000_0001;
/// See [`CPUID_FEATURES`].
const FEATURE_NO_EXECUTE: u32 = 1 << 20;
/// From there to bit 63 of an entry, in the upper half.
const TO_ENTRY: u32 = 31 - 20;
/// From there to EFER.NXE, bit 11.
const TO_EFER: u32 = 20 - 11;
/// CR0.PE: protected mode, as entered.
const CR0_PE: u32 = 1;
/// CR0.MP, with EM clear: SSE is present.
const CR0_MP: u32 = 1 << 1;
/// CR0.NE: x87 errors are exceptions.
const CR0_NE: u32 = 1 << 5;
/// CR0.WP: read-only pages bind the kernel too.
const CR0_WP: u32 = 1 << 16;
/// CR0.PG: paging.
const CR0_PG: u32 = 1 << 31;
/// A present, writable entry that points to a table.
const TABLE: u32 = 0b11;
/// A present, writable 2 MiB page.
const LARGE: u32 = 0b11 | 1 << 7;

global_asm!(
    // The note by which Xen's loader knows a PVH kernel and its entry point
    // (xen/include/public/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY = 18).
    ".pushsection .note.tether, \"a\", @note",
    ".balign 4",
    ".long 4",
    ".long 4",
    ".long {note}",
    ".asciz \"Xen\"",
    ".long tether_pvh_start",
    ".popsection",
    //
    ".pushsection .text.tether_entry, \"ax\", @progbits",
    ".code32",
    ".global tether_pvh_start",
    "tether_pvh_start:",
    "rdtsc",
    "mov [tether_entry_tsc], eax",
    "mov [tether_entry_tsc + 4], edx",
    "cld",
    "mov esp, offset tether_stack + {stack_bytes}",
    // Nothing may be executed, where the processor knows how to forbid it, but what lies in the first
    // large page, of which paging makes small ones.
    "mov ebp, ebx",
    "mov eax, {cpuid_features}",
    "cpuid",
    "and edx, {feature_no_execute}",
    "mov esi, edx",
    "shl esi, {to_entry}",
    "shr edx, {to_efer}",
    "mov ebx, edx",
    // The tree: one PML4, one PDPT, and a directory of 2 MiB pages for each mapped GiB.
    "mov dword ptr [tether_page_tables], offset tether_page_tables + 0x1000 + {table}",
    "mov dword ptr [tether_page_tables + 0x1000], offset tether_page_tables + 0x2000 + {table}",
    "mov eax, offset tether_page_tables + 0x3000 + {table}",
    "mov [tether_page_tables + 0x1000 + 3 * 8], eax",
    "mov eax, offset tether_page_tables + 0x4000 + {table}",
    "mov [tether_page_tables + 0x1000 + {window_gib} * 8], eax",
    "mov ecx, 512",
    "mov eax, {large}",
    "mov edi, offset tether_page_tables + 0x2000",
    ".Ltether_next_large_page:",
    "mov [edi], eax",
    "mov [edi + 4], esi",
    "lea edx, [eax + 0xc0000000]",
    "mov [edi + 0x1000], edx",
    "mov [edi + 0x1004], esi",
    "mov [edi + 0x2000], eax",
    "lea edx, [esi + {window_gib} / 4]",
    "mov [edi + 0x2004], edx",
    "add edi, 8",
    "add eax, 0x200000",
    "dec ecx",
    "jnz .Ltether_next_large_page",
    "mov [tether_page_tables + 0x2004], ecx",
    //
    "mov eax, offset tether_page_tables",
    "mov cr3, eax",
    "mov eax, {cr4}",
    "mov cr4, eax",
    // What it was is nothing to go by, and reading it an exit.
    "mov ecx, {efer}",
    "mov eax, {efer_lme}",
    "or eax, ebx",
    "xor edx, edx",
    "wrmsr",
    "mov eax, {cr0}",
    "mov cr0, eax",
    "lgdt [.Ltether_gdt_pointer]",
    "push 8",
    "mov eax, offset tether_long_mode",
    "push eax",
    "retf",
    //
    ".code64",
    "tether_long_mode:",
    // Data segments mean nothing in long mode; the null selector is the honest value.
    "xor eax, eax",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "mov fs, eax",
    "mov gs, eax",
    // The call pushes eight bytes: the callee finds the alignment that its ABI promises.
    "mov rsp, offset tether_stack + {stack_bytes}",
    "mov edi, ebp",
    "xor ebp, ebp",
    "call tether_start",
    "ud2",
    //
    ".balign 8",
    ".Ltether_gdt:",
    ".quad 0",
    // A 64-bit code segment: present, ring 0, executable, readable.
    ".quad 0x00209b0000000000",
    ".Ltether_gdt_pointer:",
    ".word 15",
    ".long .Ltether_gdt",
    ".popsection",
    note = const xen_sys::XEN_ELFNOTE_PHYS32_ENTRY,
    table = const TABLE,
    large = const LARGE,
    window_gib = const WINDOW_BASE >> 30,
    cr4 = const CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT,
    efer = const MSR_EFER,
    efer_lme = const EFER_LME,
    cpuid_features = const CPUID_FEATURES,
    feature_no_execute = const FEATURE_NO_EXECUTE,
    to_entry = const TO_ENTRY,
    to_efer = const TO_EFER,
    cr0 = const CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG,
    stack_bytes = const STACK_BYTES,
);
