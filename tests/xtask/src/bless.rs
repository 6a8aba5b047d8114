//! `cargo xtask bless`: renews what is printed by the program and kept in the repository. Read the changes before they are
//! committed.

use anyhow::{Context, ensure};
use std::path::Path;
use std::process::Command;

/// Chapters of the book and the option that prints them.
const CHAPTERS: [(&str, &str); 2] = [("operators.md", "--ops"), ("builtins.md", "--builtins")];

/// Renews the generated chapters of the book, then accepts the snapshots of all tests.
pub fn renew(root: &Path) -> anyhow::Result<()> {
    for (name, option) in CHAPTERS {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--package", "qcc", "--", "rules", "list", option, "--markdown"]);
        let output = command.current_dir(root).output().context("cargo does not run")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = root.join("examples/book/src").join(name);
        std::fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--quiet", "--workspace"]).env("INSTA_UPDATE", "always").current_dir(root);
    ensure!(tests.status().context("cargo does not run")?.success(), "tests fail beside their snapshots");
    Ok(())
}
