//! The numbers and layouts that `kernel/` takes from Xen's headers, against the headers themselves.
//! A small C program, made from the table below, prints what the compiler makes of each expression;
//! it needs a C compiler and the Debian package libxen-dev, which is fetched where it is not installed,
//! and fails by name without them.

use core::fmt::Write as _;
use core::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use testbed::base::layout::Layout;
use testbed::base::progress::Progress;
use testbed::base::stop::Limit;
use testbed::machine::packages;

#[path = "../../../kernel/src/xen/abi/mod.rs"]
pub mod abi;

use abi::{console, cpuid, grant_table, hvm, memory, start_info, vcpu};

/// Longest for fetching the headers, once.
const FETCH_S_MAX: u64 = 300;

/// The headers that define what is compared.
const HEADERS: &[&str] = &[
    "xen/xen.h",
    "xen/grant_table.h",
    "xen/memory.h",
    "xen/vcpu.h",
    "xen/hvm/hvm_op.h",
    "xen/hvm/params.h",
    "xen/io/console.h",
    "xen/io/xs_wire.h",
    "xen/arch-x86/cpuid.h",
    "xen/arch-x86/hvm/start_info.h",
];

/// The headers hide what is newer than the interface that a program names; 4.6 has all that is
/// compared here.
const PRELUDE: &str = "#define __XEN_INTERFACE_VERSION__ 0x00040600
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
";

/// A C expression and what `kernel/` takes it for.
type Row = (&'static str, u64);

#[test]
fn numbers_are_those_of_the_headers() {
    compare(
        "numbers",
        &[
            ("DOMID_SELF", u64::from(abi::DOMID_SELF)),
            ("XEN_CPUID_FIRST_LEAF", u64::from(cpuid::FIRST_LEAF)),
            ("XEN_CPUID_SIGNATURE_EBX", u64::from(cpuid::SIGNATURE_EBX)),
            ("XEN_CPUID_SIGNATURE_ECX", u64::from(cpuid::SIGNATURE_ECX)),
            ("XEN_CPUID_SIGNATURE_EDX", u64::from(cpuid::SIGNATURE_EDX)),
            ("XEN_CPUID_LEAF(2) - XEN_CPUID_LEAF(0)", u64::from(cpuid::HYPERCALL_LEAF)),
            ("XEN_CPUID_LEAF(4) - XEN_CPUID_LEAF(0)", u64::from(cpuid::HVM_LEAF)),
            ("XEN_HVM_CPUID_DOMID_PRESENT", u64::from(cpuid::HVM_DOMID_PRESENT)),
            ("GNTTABOP_map_grant_ref", u64::from(grant_table::MAP_GRANT_REF)),
            ("GNTTABOP_unmap_grant_ref", u64::from(grant_table::UNMAP_GRANT_REF)),
            ("GNTTABOP_set_version", u64::from(grant_table::SET_VERSION)),
            ("GNTMAP_host_map", u64::from(grant_table::HOST_MAP)),
            ("GNTST_okay", grant_table::OKAY as u64),
            ("HVMOP_set_param", u64::from(hvm::SET_PARAM)),
            ("HVMOP_get_param", u64::from(hvm::GET_PARAM)),
            ("HVM_PARAM_CALLBACK_IRQ", u64::from(hvm::CALLBACK_IRQ)),
            ("HVM_PARAM_STORE_PFN", u64::from(hvm::STORE_PFN)),
            ("HVM_PARAM_STORE_EVTCHN", u64::from(hvm::STORE_EVTCHN)),
            ("HVM_PARAM_CONSOLE_PFN", u64::from(hvm::CONSOLE_PFN)),
            ("HVM_PARAM_CONSOLE_EVTCHN", u64::from(hvm::CONSOLE_EVTCHN)),
            ("HVM_PARAM_CALLBACK_TYPE_VECTOR", hvm::CALLBACK_TYPE_VECTOR),
            ("HVM_PARAM_CALLBACK_IRQ_TYPE_MASK", 0xff << hvm::CALLBACK_TYPE_SHIFT),
            ("XENMEM_add_to_physmap", u64::from(memory::ADD_TO_PHYSMAP)),
            ("XENMAPSPACE_shared_info", u64::from(memory::SPACE_SHARED_INFO)),
            ("XENMAPSPACE_grant_table", u64::from(memory::SPACE_GRANT_TABLE)),
            ("XEN_HVM_START_MAGIC_VALUE", u64::from(start_info::MAGIC)),
            ("XEN_HVM_MEMMAP_TYPE_RAM", u64::from(start_info::MEMMAP_TYPE_RAM)),
            ("VCPUOP_set_singleshot_timer", u64::from(vcpu::SET_SINGLESHOT_TIMER)),
        ],
    );
}

#[test]
fn sizes_are_those_of_the_headers() {
    compare(
        "sizes",
        &[
            ("sizeof(grant_entry_v1_t)", grant_table::ENTRY_BYTES as u64),
            ("sizeof(gnttab_map_grant_ref_t)", size_of::<grant_table::MapGrantRef>() as u64),
            ("sizeof(gnttab_unmap_grant_ref_t)", size_of::<grant_table::UnmapGrantRef>() as u64),
            ("sizeof(gnttab_set_version_t)", size_of::<grant_table::SetVersion>() as u64),
            ("sizeof(xen_hvm_param_t)", size_of::<hvm::Param>() as u64),
            ("sizeof(xen_add_to_physmap_t)", size_of::<memory::AddToPhysmap>() as u64),
            ("sizeof(struct hvm_start_info)", size_of::<start_info::StartInfo>() as u64),
            ("sizeof(struct hvm_memmap_table_entry)", size_of::<start_info::MemmapEntry>() as u64),
            ("sizeof(vcpu_set_singleshot_timer_t)", size_of::<vcpu::SetSingleshotTimer>() as u64),
            ("sizeof(((struct xencons_interface *)0)->in)", u64::from(console::IN_BYTES)),
            ("sizeof(((struct xencons_interface *)0)->out)", u64::from(console::OUT_BYTES)),
        ],
    );
}

/// Rows `offsetof(type, field)` for fields that have one name in C and another here.
macro_rules! offsets {
    ($($c:literal, $c_field:literal => $rust:ty, $field:ident;)*) => {
        [$((concat!("offsetof(", $c, ", ", $c_field, ")"), offset_of!($rust, $field) as u64)),*]
    };
}

#[test]
fn fields_are_where_the_headers_have_them() {
    compare(
        "fields",
        &offsets! {
            "gnttab_map_grant_ref_t", "host_addr" => grant_table::MapGrantRef, host_addr;
            "gnttab_map_grant_ref_t", "flags" => grant_table::MapGrantRef, flags;
            "gnttab_map_grant_ref_t", "ref" => grant_table::MapGrantRef, reference;
            "gnttab_map_grant_ref_t", "dom" => grant_table::MapGrantRef, dom;
            "gnttab_map_grant_ref_t", "status" => grant_table::MapGrantRef, status;
            "gnttab_map_grant_ref_t", "handle" => grant_table::MapGrantRef, handle;
            "gnttab_map_grant_ref_t", "dev_bus_addr" => grant_table::MapGrantRef, dev_bus_addr;
            "gnttab_unmap_grant_ref_t", "host_addr" => grant_table::UnmapGrantRef, host_addr;
            "gnttab_unmap_grant_ref_t", "dev_bus_addr" => grant_table::UnmapGrantRef, dev_bus_addr;
            "gnttab_unmap_grant_ref_t", "handle" => grant_table::UnmapGrantRef, handle;
            "gnttab_unmap_grant_ref_t", "status" => grant_table::UnmapGrantRef, status;
            "gnttab_set_version_t", "version" => grant_table::SetVersion, version;
            "xen_hvm_param_t", "domid" => hvm::Param, domid;
            "xen_hvm_param_t", "index" => hvm::Param, index;
            "xen_hvm_param_t", "value" => hvm::Param, value;
            "xen_add_to_physmap_t", "domid" => memory::AddToPhysmap, domid;
            "xen_add_to_physmap_t", "size" => memory::AddToPhysmap, size;
            "xen_add_to_physmap_t", "space" => memory::AddToPhysmap, space;
            "xen_add_to_physmap_t", "idx" => memory::AddToPhysmap, idx;
            "xen_add_to_physmap_t", "gpfn" => memory::AddToPhysmap, gpfn;
            "struct hvm_start_info", "magic" => start_info::StartInfo, magic;
            "struct hvm_start_info", "version" => start_info::StartInfo, version;
            "struct hvm_start_info", "cmdline_paddr" => start_info::StartInfo, cmdline_paddr;
            "struct hvm_start_info", "memmap_paddr" => start_info::StartInfo, memmap_paddr;
            "struct hvm_start_info", "memmap_entries" => start_info::StartInfo, memmap_entries;
            "struct hvm_memmap_table_entry", "addr" => start_info::MemmapEntry, addr;
            "struct hvm_memmap_table_entry", "size" => start_info::MemmapEntry, size;
            "struct hvm_memmap_table_entry", "type" => start_info::MemmapEntry, kind;
            "vcpu_set_singleshot_timer_t", "timeout_abs_ns" =>
                vcpu::SetSingleshotTimer, timeout_abs_ns;
            "vcpu_set_singleshot_timer_t", "flags" => vcpu::SetSingleshotTimer, flags;
        },
    );
}

#[test]
fn pages_written_by_others_are_laid_out_as_in_the_headers() {
    let word = |word: xenbus::RingWord| word.offset() as u64;
    compare(
        "pages",
        &[
            ("offsetof(grant_entry_v1_t, flags)", grant_table::ENTRY_FLAGS_AT as u64),
            ("offsetof(grant_entry_v1_t, domid)", grant_table::ENTRY_DOMID_AT as u64),
            ("offsetof(grant_entry_v1_t, frame)", grant_table::ENTRY_FRAME_AT as u64),
            ("offsetof(struct xencons_interface, in)", console::IN_AT as u64),
            ("offsetof(struct xencons_interface, in_cons)", console::IN_CONSUMER_AT as u64),
            ("offsetof(struct xencons_interface, in_prod)", console::IN_PRODUCER_AT as u64),
            ("offsetof(struct xencons_interface, out)", console::OUT_AT as u64),
            ("offsetof(struct xencons_interface, out_cons)", console::OUT_CONSUMER_AT as u64),
            ("offsetof(struct xencons_interface, out_prod)", console::OUT_PRODUCER_AT as u64),
            ("offsetof(struct xenstore_domain_interface, req)", xenbus::ring::REQUESTS_AT as u64),
            ("offsetof(struct xenstore_domain_interface, rsp)", xenbus::ring::REPLIES_AT as u64),
            (
                "offsetof(struct xenstore_domain_interface, req_cons)",
                word(xenbus::RingWord::RequestConsumer),
            ),
            (
                "offsetof(struct xenstore_domain_interface, req_prod)",
                word(xenbus::RingWord::RequestProducer),
            ),
            (
                "offsetof(struct xenstore_domain_interface, rsp_cons)",
                word(xenbus::RingWord::ReplyConsumer),
            ),
            (
                "offsetof(struct xenstore_domain_interface, rsp_prod)",
                word(xenbus::RingWord::ReplyProducer),
            ),
            (
                "offsetof(struct xenstore_domain_interface, server_features)",
                word(xenbus::RingWord::ServerFeatures),
            ),
            (
                "offsetof(struct xenstore_domain_interface, connection)",
                word(xenbus::RingWord::Connection),
            ),
            ("offsetof(struct xenstore_domain_interface, error)", word(xenbus::RingWord::Error)),
            ("XENSTORE_RING_SIZE", u64::from(xenbus::ring::RING_BYTES)),
            ("XENSTORE_CONNECTED", u64::from(xenbus::ring::CONNECTED)),
            ("XENSTORE_RECONNECT", u64::from(xenbus::ring::RECONNECT)),
        ],
    );
}

/// Has the C compiler say what each expression is, and names every row that differs.
#[track_caller]
fn compare(name: &str, rows: &[Row]) {
    let said = evaluate(name, rows);
    assert_eq!(said.len(), rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .zip(said)
        .filter(|((_, ours), theirs)| ours != theirs)
        .map(|((expression, ours), theirs)| format!("{expression}: {theirs}, not {ours}"))
        .collect();
    assert!(wrong.is_empty(), "the headers say otherwise:\n{}", wrong.join("\n"));
}

/// Where Xen's headers are, fetched once where the machine has none.
fn headers() -> &'static Path {
    static HEADERS: OnceLock<PathBuf> = OnceLock::new();
    HEADERS.get_or_init(|| {
        let layout = Layout::new(None).expect("the workspace has a target folder");
        let limit = Limit::seconds(FETCH_S_MAX);
        let found = packages::headers(&layout.cache(), &Progress::silent(), &limit);
        found.unwrap_or_else(|trouble| panic!("Xen's headers are needed (libxen-dev): {trouble}"))
    })
}

/// Compiles and runs a program that prints the expressions' values. The tests of this file run side
/// by side: `name` keeps their programs apart.
fn evaluate(name: &str, rows: &[Row]) -> Vec<u64> {
    let mut source = String::from(PRELUDE);
    for header in HEADERS {
        writeln!(source, "#include <{header}>").expect("a string takes everything");
    }
    source.push_str("int main(void) {\n");
    for (expression, _) in rows {
        writeln!(source, "printf(\"%llu\\n\", (unsigned long long)({expression}));")
            .expect("a string takes everything");
    }
    source.push_str("return 0; }\n");
    let layout = Layout::new(None).expect("the workspace has a target folder");
    let directory = layout.store.join("tests/xen_abi");
    std::fs::create_dir_all(&directory).expect("the program's folder can be made");
    let (code, program) = (directory.join(format!("{name}.c")), directory.join(name));
    std::fs::write(&code, source).expect("the program can be written");
    let mut compiler = Command::new("cc");
    compiler.arg("-I").arg(headers()).arg(&code).arg("-o").arg(&program);
    let compiled = compiler.output();
    let compiled = compiled.expect("a C compiler named cc is needed (apt-get install gcc)");
    assert!(
        compiled.status.success(),
        "the headers do not compile:\n{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let run = Command::new(&program).output().expect("the program runs");
    let text = String::from_utf8(run.stdout).expect("the program prints numbers");
    text.lines().map(|line| line.parse().expect("the program prints numbers")).collect()
}
