//! The architecture as a test: which crate may depend on which, and which third-party crate has one user.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every allowed edge between crates of the workspace.
const EDGES: &[(&str, &[&str])] = &[
    (
        "qcc",
        &[
            "qcc-cost",
            "qcc-diag",
            "qcc-dsl",
            "qcc-egraph",
            "qcc-ir",
            "qcc-jit",
            "qcc-kernel",
            "qcc-lower",
            "qcc-lsp",
            "qcc-onnx",
            "qcc-ops",
            "qcc-quantize",
            "qcc-session",
            "qcc-tensor",
        ],
    ),
    ("qcc-cost", &["qcc-dsl", "qcc-ir", "qcc-ops", "qcc-tensor"]),
    ("qcc-diag", &[]),
    ("qcc-dsl", &["qcc-diag", "qcc-ops", "qcc-tensor"]),
    ("qcc-egraph", &["qcc-cost", "qcc-dsl", "qcc-ir", "qcc-ops", "qcc-tensor"]),
    ("qcc-ir", &["qcc-diag", "qcc-ops", "qcc-tensor"]),
    ("qcc-jit", &["qcc-kernel"]),
    ("qcc-kernel", &["qcc-ops", "qcc-tensor"]),
    ("qcc-lower", &["qcc-cost", "qcc-diag", "qcc-ir", "qcc-kernel", "qcc-ops", "qcc-tensor"]),
    ("qcc-lsp", &["qcc-diag", "qcc-dsl"]),
    ("qcc-onnx", &["qcc-diag", "qcc-ir", "qcc-ops", "qcc-tensor"]),
    ("qcc-ops", &["qcc-tensor"]),
    ("qcc-quantize", &["qcc-ir", "qcc-ops", "qcc-session", "qcc-tensor"]),
    ("qcc-session", &["qcc-jit", "qcc-kernel", "qcc-ops", "qcc-tensor"]),
    ("qcc-tensor", &[]),
];

/// Third-party crates that one crate fences off.
const FENCES: &[(&str, &str)] = &[
    ("prost", "qcc-onnx"),
    ("pest", "qcc-dsl"),
    ("egg", "qcc-egraph"),
    ("petgraph", "qcc-ir"),
    ("cranelift-jit", "qcc-jit"),
    ("iced-x86", "qcc-jit"),
    ("flate2", "qcc-session"),
    ("gemm", "qcc-session"),
    ("xxhash-rust", "qcc-session"),
    ("lsp-server", "qcc-lsp"),
    ("lsp-types", "qcc-lsp"),
    ("clap", "qcc"),
    ("clap_complete", "qcc"),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Dependencies of every crate of the workspace that ships.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .filter(|p| !matches!(p["name"].as_str(), Some("qcc-tests" | "xtask")))
        .map(|p| {
            let normal = p["dependencies"].as_array().expect("dependencies").iter().filter(|d| d["kind"].is_null());
            let names = normal.map(|d| d["name"].as_str().expect("name").to_string()).collect();
            (p["name"].as_str().expect("name").to_string(), names)
        })
        .collect()
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let found = dependencies();
    let known: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "the table lists every crate");
    for (name, allowed) in EDGES {
        for dependency in found[*name].iter().filter(|d| d.starts_with("qcc")) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn third_party_crates_stay_behind_their_fence() {
    for (crate_name, dependencies) in dependencies() {
        for (fenced, owner) in FENCES {
            assert!(
                !dependencies.contains(*fenced) || crate_name == *owner,
                "only {owner} may use {fenced}, not {crate_name}"
            );
        }
    }
}

#[test]
fn the_top_level_is_as_agreed() {
    let folders: BTreeSet<String> = std::fs::read_dir(root())
        .expect("the root can be read")
        .flatten()
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| !n.starts_with('.') && n != "target")
        .collect();
    let agreed = ["compiler", "examples", "rules", "runtime", "tests"].map(String::from);
    assert_eq!(folders, BTreeSet::from(agreed));
}
