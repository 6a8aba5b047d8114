//! What this machine takes for the work of kernels: measured once by `qcc machine`, kept in the user's cache.
//!
//! Without a measurement, and for any other CPU than this one, the tables of [`qcc_cost::Machine`] hold, so that nothing
//! that is compiled depends on where it was compiled unless the user wants it.

mod cases;
mod fit;
mod measure;

pub use measure::{Measured, measure};

use crate::failure::Failure;
use qcc_cost::Machine;
use qcc_kernel::Width;
use qcc_lower::Target;
use std::path::{Path, PathBuf};

/// The variable that names the file of a machine, or says [`DEFAULT`].
const VARIABLE: &str = "QCC_MACHINE";

/// No file: the tables.
const DEFAULT: &str = "default";

/// The machine that programs are compiled for: as measured if it is this one and was measured, else by the tables.
///
/// # Errors
/// A file that is no measurement.
pub fn machine(target: Target) -> Result<Machine, Failure> {
    let measured = path().filter(|path| target == Target::host() && path.exists());
    measured.map_or_else(|| Ok(table(target)), |path| load(&path))
}

/// The table of a target.
pub fn table(target: Target) -> Machine {
    let machine = match target.width {
        Width::V128 => Machine::narrow(),
        Width::V256 => Machine::wide(),
    };
    if target.dot4 { machine.with_dots() } else { machine }
}

/// Where the measurement of this machine lies; `None` if there shall be none, or no place for it is known.
pub fn path() -> Option<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(value) if value == DEFAULT => None,
        Some(value) => Some(value.into()),
        None => {
            let folder = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
            Some(folder.join("qcc").join(format!("{}.json", cpu())))
        }
    }
}

/// A name of the CPU that can be the name of a file.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim()).to_string()
    };
    let name =
        [std::env::consts::ARCH.to_string(), field("model name"), field("cpu family"), field("model\t")].join("-");
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

/// Reads a measurement.
///
/// # Errors
/// A file that cannot be read or is none.
pub fn load(path: &Path) -> Result<Machine, Failure> {
    let wrong = |e: &dyn std::fmt::Display| {
        Failure::input_with_help(
            format!("`{}` does not say what a machine takes: {e}", path.display()),
            "run `qcc machine` to measure it again",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
    serde_json::from_str(&text).map_err(|e| wrong(&e))
}

/// Writes a measurement.
///
/// # Errors
/// A place that cannot be written.
pub fn store(machine: &Machine, path: &Path) -> Result<(), Failure> {
    let wrong = |e: std::io::Error| Failure::input(format!("cannot write `{}`: {e}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    let text = serde_json::to_string_pretty(machine).expect("numbers under names");
    std::fs::write(path, text + "\n").map_err(wrong)
}
