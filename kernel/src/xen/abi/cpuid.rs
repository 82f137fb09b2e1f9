//! Xen's CPUID leaves: xen/include/public/arch-x86/cpuid.h.
//!
//! The base is found by scanning, because a hypervisor that also speaks Viridian puts Xen's leaves
//! one step higher.

/// `XEN_CPUID_FIRST_LEAF`.
pub const FIRST_LEAF: u32 = 0x4000_0000;
/// Distance between the places where the leaves may begin.
pub const LEAF_STEP: u32 = 0x100;
/// The places to look at; Xen itself uses the first two, the customary scan ends at 0x40010000.
pub const LEAF_PLACES: u32 = 0x100;
/// `XEN_CPUID_SIGNATURE_EBX`, "XenV".
pub const SIGNATURE_EBX: u32 = 0x566e_6558;
/// `XEN_CPUID_SIGNATURE_ECX`, "MMXe".
pub const SIGNATURE_ECX: u32 = 0x6558_4d4d;
/// `XEN_CPUID_SIGNATURE_EDX`, "nVMM".
pub const SIGNATURE_EDX: u32 = 0x4d4d_566e;
/// Leaf base + 2 (`XEN_CPUID_LEAF(2)`): EAX hypercall pages, EBX the MSR that places one.
pub const HYPERCALL_LEAF: u32 = 2;
/// Leaf base + 4 (`XEN_CPUID_LEAF(4)`): the HVM leaf.
pub const HVM_LEAF: u32 = 4;
/// `XEN_HVM_CPUID_DOMID_PRESENT`, in EAX of the HVM leaf: ECX holds the domain's number.
pub const HVM_DOMID_PRESENT: u32 = 1 << 4;
