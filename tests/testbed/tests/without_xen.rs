//! An image that is booted without Xen reports that once and halts; it must not reset the machine.

use std::process::Command;

use testbed::base::layout::Layout;
use testbed::base::stop::Limit;
use testbed::machine::images;

#[test]
fn without_xen_an_image_reports_it_once_and_halts() {
    let layout = Layout::new(None).expect("tests run in the workspace");
    let built = images::build(&layout, &Limit::seconds(600)).expect("the images build");
    let hello = built.iter().find(|image| image.name == "hello").expect("hello is an image");
    // 124 is what `timeout` returns for a machine that is still running.
    let mut machine = Command::new("timeout");
    machine.args(["10", "qemu-system-x86_64", "-M", "microvm", "-bios", "qboot.rom"]);
    machine.args(["-cpu", "max", "-m", "64", "-display", "none", "-no-reboot", "-nodefaults"]);
    machine.args(["-debugcon", "stdio", "-kernel"]).arg(&hello.path);
    let output = machine.output().expect("timeout and QEMU are installed");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("verdict=ERROR reason=no-xen-leaves-in-cpuid").count(), 1, "{text}");
    assert_eq!(output.status.code(), Some(124), "the machine did not stay halted: {text}");
}
