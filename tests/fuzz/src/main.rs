//! The parsers of `qcc_tests::targets`, driven by libFuzzer. `QCC_FUZZ_TARGET` names the parser; its corpus is written to
//! the folder `QCC_FUZZ_SEEDS` before the fuzzer reads it from there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qcc_tests::targets::{self, Target};
use std::path::PathBuf;
use std::sync::OnceLock;

static TARGET: OnceLock<&Target> = OnceLock::new();

fn begin() {
    let name = std::env::var("QCC_FUZZ_TARGET").expect("QCC_FUZZ_TARGET names a target");
    let target = targets::target(&name).expect("QCC_FUZZ_TARGET names a target");
    TARGET.get_or_init(|| target);
    if let Some(folder) = std::env::var_os("QCC_FUZZ_SEEDS").map(PathBuf::from) {
        std::fs::create_dir_all(&folder).expect("the folder of seeds can be made");
        for (file, bytes) in targets::corpus(&name) {
            std::fs::write(folder.join(file), bytes).expect("a seed can be written");
        }
    }
}

fuzz_target!(init: begin(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        (target.run)(data);
    }
});
