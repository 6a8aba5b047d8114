//! The programs that emulate a CPU.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::memory::Call;
use crate::{elf, pc};

/// A program that runs machine code, and the CPU it pretends to be.
#[derive(Clone, Copy, Debug)]
pub enum Emulator {
    /// A whole PC.
    Bochs {
        /// What it calls the CPU.
        cpu: &'static str,
    },
    /// A process of Linux on aarch64.
    Qemu {
        /// What it calls the CPU.
        cpu: &'static str,
    },
}

/// The programs, and the packages of Debian that have them.
const PROGRAMS: [(&str, &str); 2] = [("bochs", "bochs"), ("qemu-aarch64-static", "qemu-user-static")];

/// An emulator that runs longer, in seconds, never ends: all kernels take it less than a minute.
const PATIENCE: u32 = 600;

/// What an emulator says last is why it ended.
const LINES: usize = 6;

/// Nothing is skipped.
///
/// # Errors
/// Which packages are missing.
pub fn all_installed() -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !found(program)).map(|(_, package)| *package).collect();
    ensure!(missing.is_empty(), "emulators are missing: apt-get install {}", missing.join(" "));
    Ok(())
}

/// What came of a run.
pub struct Output {
    /// What the calls printed.
    pub printed: Vec<u8>,
    /// What the emulator says about them.
    pub told: String,
}

/// Runs the calls one after the other.
pub fn run(emulator: Emulator, calls: &[Call<'_>]) -> anyhow::Result<Output> {
    let folder = tempfile::tempdir()?;
    match emulator {
        Emulator::Bochs { cpu } => {
            let configuration = pc::write(folder.path(), cpu, calls)?;
            // Whatever it was asked to do, it ends as if it had failed. Where it has a debugger, that waits for a command.
            start(
                Command::new("timeout").arg(PATIENCE.to_string()).args(["bochs", "-q", "-f"]).arg(configuration),
                "c\n",
            )
        }
        Emulator::Qemu { cpu } => {
            let program = elf::write(folder.path(), calls)?;
            let qemu = ["qemu-aarch64-static", "-cpu", cpu];
            start(Command::new("timeout").arg(PATIENCE.to_string()).args(qemu).arg(program), "")
        }
    }
}

fn start(command: &mut Command, input: &str) -> anyhow::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    child.stdin.take().context("standard input is piped")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.code() != Some(124), "{command:?} did not end within {PATIENCE} s");
    let errors = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = errors.lines().rev().take(LINES).collect();
    let told =
        format!("the emulator ended with {}\n{}", output.status, last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    Ok(Output { printed: output.stdout, told })
}
