//! `cargo xtask mutate [WORDS]`: all mutants of the standard rules, or of those whose name contains the words.

use anyhow::{Context, ensure};
use std::path::Path;
use std::process::Command;

/// Damages every standard rule in every known way and counts what the checks reject; some minutes on two cores.
///
/// # Errors
/// A survivor that `survivors.txt` does not explain, too few mutants, or too few that are killed.
pub fn all(root: &Path) -> anyhow::Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut tests = Command::new(cargo);
    if let Some(rules) = std::env::args().nth(2) {
        tests.env("RULE", rules);
    }
    let status = tests
        .args(["test", "--release", "-p", "qcc-egraph", "--test", "mutation", "--", "--nocapture"])
        .env("MUTANTS", "all")
        .current_dir(root)
        .status()
        .context("cargo cannot be started")?;
    ensure!(status.success(), "the checks of rules let mistakes pass, as said above");
    Ok(())
}
