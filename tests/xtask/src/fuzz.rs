//! `cargo xtask fuzz [TARGET [SECONDS]]`: coverage-guided fuzzing of the parsers, on the stable compiler.

use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every parser: the folders of the corpus.
const TARGETS: [&str; 7] = ["onnx", "npy", "npz", "pb", "qcc", "rules", "qir"];

/// How long each is fuzzed if nothing else is asked for.
const SECONDS: u64 = 60;

/// Seconds after which an input counts as a hang: with counters and on a busy machine what takes a tenth of a second else takes
/// some seconds.
const PATIENCE: u64 = 20;

/// Memory above which an input counts as a crash, in MiB.
const MEMORY_MB: u64 = 2048;

/// Fuzzes one parser, or each. Building takes a quarter of an hour of one processor, since everything below the parsers is
/// compiled with counters; `cargo test` replays and damages the corpus instead. Inputs that crash one are left in `tests/fuzz/artifacts`: what is mended goes to
/// `tests/corpus` and is replayed by `cargo test` from then on.
///
/// # Errors
/// A fuzzer that cannot be built; an input that crashes a parser.
pub fn run(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("tests/fuzz");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let built = Command::new(cargo).args(["build", "--release"]).current_dir(&folder).status();
    ensure!(built.context("cargo does not run")?.success(), "the fuzzer cannot be built");
    let built_in = std::env::var_os("CARGO_TARGET_DIR").map_or(folder.join("target"), PathBuf::from);
    let wanted = std::env::args().nth(2);
    let seconds = std::env::args().nth(3).map_or(Ok(SECONDS), |text| text.parse()).context("SECONDS is no number")?;
    let targets: Vec<&str> = TARGETS.into_iter().filter(|t| wanted.as_deref().is_none_or(|w| w == *t)).collect();
    ensure!(!targets.is_empty(), "the targets are {}", TARGETS.join(", "));
    for target in targets {
        let (found, kept) = (folder.join("corpus").join(target), folder.join("artifacts"));
        std::fs::create_dir_all(&kept).context("the folder of crashes cannot be made")?;
        let seeds = folder.join("seeds").join(target);
        for place in [&found, &seeds] {
            std::fs::create_dir_all(place).context("the folder of the corpus cannot be made")?;
        }
        let mut fuzzer = Command::new(built_in.join("x86_64-unknown-linux-gnu/release/fuzz"));
        fuzzer.env("QCC_FUZZ_TARGET", target).env("QCC_FUZZ_SEEDS", &seeds);
        fuzzer.args([&found, &seeds]).args([format!("-timeout={PATIENCE}"), format!("-max_total_time={seconds}")]);
        fuzzer.args([format!("-rss_limit_mb={MEMORY_MB}"), format!("-artifact_prefix={}/{target}-", kept.display())]);
        ensure!(fuzzer.status().context("the fuzzer does not run")?.success(), "{target}: see {}", kept.display());
    }
    Ok(())
}
