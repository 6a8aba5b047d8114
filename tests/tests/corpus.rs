//! Every parser on its corpus, and on damaged versions of it: no panic, no memory and no time without bound.

use qcc_tests::damage::{Random, damaged};
use qcc_tests::patience::timed;
use qcc_tests::targets::{TARGETS, Target, corpus};
use std::time::{Duration, Instant};

/// Damaged versions of each target in one run of the tests.
const VERSIONS: u64 = 3000;

/// Time after which a target stops, whatever is left: on slow machines fewer versions are tried.
const BUDGET: Duration = Duration::from_secs(15);

/// The longest a target may take on one input; files here are small.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the target survives, in time.
fn survives(target: &Target, bytes: &[u8]) -> Result<(), String> {
    match timed(|| (target.run)(bytes)) {
        (Err(panic), _) => Err(panic),
        (Ok(()), time) if time > PATIENCE => Err(format!("it took {time:?}")),
        (Ok(()), _) => Ok(()),
    }
}

#[test]
fn every_file_of_the_corpus_is_survived() {
    for target in TARGETS {
        let files = corpus(target.name);
        assert!(files.len() >= 3, "{} has {} files", target.name, files.len());
        for (name, bytes) in files {
            survives(target, &bytes).unwrap_or_else(|why| panic!("{}/{name}: {why}", target.name));
        }
    }
}

fn survive_damage(name: &str) {
    let target = qcc_tests::targets::target(name).expect("there is such a target");
    let files = corpus(target.name);
    let start = Instant::now();
    for version in 0..VERSIONS {
        if start.elapsed() > BUDGET {
            return;
        }
        let mut random = Random(version);
        let (file, bytes) = &files[random.below(files.len())];
        let bytes = damaged(bytes, bytes.len(), &mut random);
        if let Err(why) = survives(target, &bytes) {
            let kept = std::env::temp_dir().join(format!("qcc-{name}-{version}"));
            let _ = std::fs::write(&kept, &bytes);
            panic!("{name}, version {version} of {file}: {why}\nkept as {}", kept.display());
        }
    }
}

macro_rules! damage {
    ($($test:ident $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            survive_damage($name);
        })*

        #[test]
        fn every_target_is_damaged() {
            let tested = [$($name),*];
            assert!(TARGETS.iter().map(|t| t.name).eq(tested));
        }
    };
}

damage! {
    damaged_models "onnx",
    damaged_arrays "npy",
    damaged_archives "npz",
    damaged_tensors "pb",
    damaged_artifacts "qcc",
    damaged_rules "rules",
    damaged_graphs "qir",
}
