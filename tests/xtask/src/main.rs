//! Chores of the repository: `cargo xtask <chore>`.
//!
//! | chore | what it does |
//! |---|---|
//! | `bless` | renews what the program prints into the repository: the tables of the book and all snapshots |
//! | `fuzz` | fuzzes the parsers by coverage: `cargo xtask fuzz onnx 600` |
//! | `mutate` | damages the standard rules in all known ways and counts what the checks of rules reject |
//! | `proto` | generates `compiler/onnx/src/proto.rs` from `compiler/onnx/onnx.proto` |
//!
//! What a chore generates is committed, so that building qcc needs neither the chore nor its dependencies.

mod bless;
mod fuzz;
mod mutate;
mod proto;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A chore: its name on the command line and what it runs, given the root of the repository.
type Chore = (&'static str, fn(&Path) -> anyhow::Result<()>);

const CHORES: &[Chore] =
    &[("bless", bless::renew), ("fuzz", fuzz::run), ("mutate", mutate::all), ("proto", proto::generate)];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some((_, run)) = CHORES.iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = CHORES.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: cargo xtask <{}>", names.join("|"));
        return ExitCode::from(2);
    };
    match run(&repository()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Root of the repository: this crate lies two folders below it.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("xtask lies in tests/xtask").to_path_buf()
}
