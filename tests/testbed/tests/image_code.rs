//! Looks into an image's code: the functions that compiled code expects to find (memcpy and its kin)
//! must not have been compiled into calls of themselves.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The functions, each with those that it may call or jump to.
const FUNCTIONS: [(&str, &[&str]); 5] =
    [("memcpy", &[]), ("memmove", &[]), ("memset", &[]), ("memcmp", &[]), ("bcmp", &["memcmp"])];

/// x86-64: a call, and a jump, of a signed distance in the four bytes behind.
const CALL: u8 = 0xe8;
const JUMP: u8 = 0xe9;

#[test]
fn no_memory_function_calls_itself_or_another() {
    let elf = std::fs::read(image_with_symbols()).expect("the image can be read");
    let functions = functions(&elf);
    for (name, may_call) in FUNCTIONS {
        // What an image has no use for is not in it, and would not be looked at.
        let (address, code) =
            functions.get(name).unwrap_or_else(|| panic!("{IMAGE} has no {name}"));
        for (at, window) in code.windows(5).enumerate() {
            if window[0] != CALL && window[0] != JUMP {
                continue;
            }
            let distance = i32::from_le_bytes(window[1..].try_into().expect("four bytes"));
            let target = (address + at as u64 + 5).wrapping_add_signed(distance.into());
            for (callee, _) in FUNCTIONS {
                let found = functions.get(callee).is_some_and(|(start, _)| *start == target);
                assert!(!found || may_call.contains(&callee), "{name} calls {callee}");
            }
        }
    }
}

/// The image that is looked into: one with a use for every function of [`FUNCTIONS`].
const IMAGE: &str = "frontend";

/// That image, with its symbols.
fn image_with_symbols() -> std::path::PathBuf {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/testbed is in it");
    let target = workspace.join("target/image-symbols");
    let built = Command::new(env!("CARGO"))
        // As the alias `cargo image` (.cargo/config.toml), which names another target directory.
        .args(["build", "--quiet", "--package", "kernel", "--features", "kernel/image"])
        .args(["--config", ".cargo/image.toml", "--profile", "image", "--bin", IMAGE])
        .args(["--target", "x86_64-unknown-linux-gnu", "--config", "profile.image.strip='none'"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(workspace)
        .env_remove("RUSTFLAGS")
        .status();
    assert!(built.expect("cargo can be started").success());
    target.join("x86_64-unknown-linux-gnu/image").join(IMAGE)
}

/// The addresses and the code of the functions in an ELF file, by name.
fn functions(elf: &[u8]) -> BTreeMap<&str, (u64, &[u8])> {
    let u16_at = |at: usize| u16::from_le_bytes(elf[at..at + 2].try_into().expect("2"));
    let u32_at = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().expect("4"));
    let u64_at = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().expect("8"));
    // Section headers: type at 4, address at 16, offset at 24, size at 32, link at 40.
    let (table, size) = (u64_at(0x28) as usize, usize::from(u16_at(0x3a)));
    let sections: Vec<usize> =
        (0..usize::from(u16_at(0x3c))).map(|index| table + index * size).collect();
    let symbols = *sections.iter().find(|&&at| u32_at(at + 4) == 2).expect("a symbol table");
    let names = u64_at(sections[u32_at(symbols + 40) as usize] + 24) as usize;
    let mut functions = BTreeMap::new();
    let first = u64_at(symbols + 24) as usize;
    for symbol in (first..first + u64_at(symbols + 32) as usize).step_by(24) {
        let name = &elf[names + u32_at(symbol) as usize..];
        let end = name.iter().position(|&byte| byte == 0).expect("an end");
        let name = core::str::from_utf8(&name[..end]).expect("a name");
        if elf[symbol + 4] & 0xf != 2 {
            continue;
        }
        let (address, bytes) = (u64_at(symbol + 8), u64_at(symbol + 16) as usize);
        let section = sections[usize::from(u16_at(symbol + 6))];
        let at = (u64_at(section + 24) + (address - u64_at(section + 16))) as usize;
        functions.insert(name, (address, &elf[at..at + bytes]));
    }
    functions
}
