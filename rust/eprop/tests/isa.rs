//! Which instructions are at work: what the processor has, unless the environment says otherwise.

use std::env::{current_exe, var};
use std::process::Command;

/// Also run by itself with the variable set, below, and by `make test-portable`.
#[test]
fn path_is_the_forced_one_or_the_best() {
    let forced = var("EPROP_ISA").is_ok_and(|isa| isa == "portable");
    let expected = if !forced && has_avx2() {
        "avx2"
    } else {
        "portable"
    };
    assert_eq!(eprop::isa(), expected);
}

#[test]
fn environment_forces_the_portable_path() {
    // A process of its own: the path is chosen once in each.
    let run = Command::new(current_exe().unwrap())
        .args(["--exact", "path_is_the_forced_one_or_the_best"])
        .env("EPROP_ISA", "portable")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
}

#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
fn has_avx2() -> bool {
    false
}
