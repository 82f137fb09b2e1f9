//! The full barriers are in the images as they are built. Where one does nothing, no test of the
//! bed notices: its machine runs one processor at a time, and no store is ever late there.
//!
//! Each image must have exactly as many barrier instructions as there are places with one: more would
//! hide one that is missing. That they are in the right places is what loom checks, in
//! grant/tests/lost_wakeup.rs; this checks that what those places call is an instruction.

use testbed::base::layout::Layout;
use testbed::base::stop::Limit;
use testbed::machine::images;

/// Longest for building the images.
const BUILD_S_MAX: u64 = 900;

/// What compilers make of a sequentially consistent fence, which nothing else is compiled to: `mfence`,
/// and `lock or` of 0 to the top of the stack or to the red zone below.
const FENCES: [&[u8]; 3] =
    [&[0x0f, 0xae, 0xf0], &[0xf0, 0x83, 0x0c, 0x24, 0x00], &[0xf0, 0x83, 0x4c, 0x24, 0xc0, 0x00]];

/// The xenstore ring has two in each image, where it has sent a request and where it has taken a reply
/// (`StoreRing::full_barrier`). The byte rings have one, before a side sleeps: over the own pages in
/// the frontend (`OwnPages::full_barrier`), over the peer's in the backend
/// (`ForeignPages::full_barrier`).
const EXPECTED: [(&str, usize); 2] = [("frontend", 2 + 1), ("backend", 2 + 1)];

#[test]
fn every_full_barrier_is_an_instruction_in_the_images() {
    let layout = Layout::new(None).unwrap_or_else(|trouble| panic!("{trouble}"));
    let limit = Limit::seconds(BUILD_S_MAX);
    let built = images::build(&layout, &limit).unwrap_or_else(|trouble| panic!("{trouble}"));
    for (name, expected) in EXPECTED {
        let image = built.iter().find(|image| image.name == name).expect("the image is built");
        let bytes = std::fs::read(&image.path).expect("it can be read");
        let at = fences(executable(&bytes));
        assert_eq!(
            at.len(),
            expected,
            "full barriers of {name}, at these places of its code: {at:x?}"
        );
    }
}

/// Where there is a fence.
fn fences(code: &[u8]) -> Vec<usize> {
    let is_fence = |at: &usize| FENCES.iter().any(|fence| code[*at..].starts_with(fence));
    (0..code.len()).filter(is_fence).collect()
}

/// The executable segment of an image: the first of its program headers that is loaded with the right
/// to execute (ELF-64, `Elf64_Ehdr` and `Elf64_Phdr`).
fn executable(elf: &[u8]) -> &[u8] {
    let number = |at: usize, bytes: usize| {
        elf[at..at + bytes].iter().rev().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte))
    };
    const LOAD: usize = 1;
    const EXECUTE: usize = 1;
    let (headers, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let header = (0..count)
        .map(|index| headers + index * size)
        .find(|&header| number(header, 4) == LOAD && number(header + 4, 4) & EXECUTE != 0)
        .expect("an image has code");
    let (offset, bytes) = (number(header + 8, 8), number(header + 32, 8));
    &elf[offset..offset + bytes]
}
