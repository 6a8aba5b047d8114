//! Runs machine code for CPUs that the host may not be under emulation, and compares every buffer it writes with what the
//! interpreter writes, bit for bit.
//!
//! Kernels ([`cases`]) are compiled for each machine of [`machine::MACHINES`], laid out in memory ([`memory`]) with a
//! program around them that calls one after the other and prints what they wrote, and booted: on a bare PC in Bochs
//! ([`pc`]), or as a program without a library in QEMU ([`elf`]). Code for a CPU with dot products of bytes must contain as
//! many of them as its kernel has ([`dots`]), so that no fallback passes for them; those of
//! AVX-VNNI, which no emulator runs, are compared with the ones that ran ([`vex`]).

mod cases;
mod dots;
mod elf;
mod emulator;
mod generators;
mod machine;
mod memory;
mod pc;
mod vex;

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use qcc_jit::{CpuFeatures, MachineCode, machine_code};
use qcc_kernel::Kernel;
use rayon::prelude::*;

use cases::Case;
use machine::{MACHINES, Machine};
use memory::Call;

fn main() -> ExitCode {
    match emulate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn emulate() -> anyhow::Result<()> {
    emulator::all_installed()?;
    let start = Instant::now();
    let cases = cases::all()?;
    println!("{} runs of kernels, interpreted in {:.1} s", cases.len(), start.elapsed().as_secs_f64());
    for machine in MACHINES {
        let start = Instant::now();
        let summary = check(machine, &cases).with_context(|| machine.name.to_string())?;
        println!("{}: {summary}, {:.1} s", machine.name, start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Compiles and runs all cases on one machine.
fn check(machine: &Machine, cases: &[Case]) -> anyhow::Result<String> {
    let features = CpuFeatures::named(machine.triple, machine.extensions);
    let kernels: HashSet<&Kernel> = cases.iter().map(|case| &case.kernel).collect();
    let codes: anyhow::Result<HashMap<&Kernel, MachineCode>> = kernels
        .into_par_iter()
        .map(|kernel| {
            let code = machine_code(kernel, &features)?;
            let (found, wanted) = (dots::in_code(machine, &code.bytes), dots::in_kernel(machine, kernel));
            ensure!(wanted.contains(&found), "{found} dot products of bytes instead of {wanted:?}:\n{kernel}");
            Ok((kernel, code))
        })
        .collect();
    let codes = codes?;
    let calls: Vec<Call<'_>> = cases.iter().map(|case| Call { case, code: &codes[&case.kernel] }).collect();
    let dots: usize = codes.values().map(|code| dots::in_code(machine, &code.bytes)).sum();
    let output = emulator::run(machine.emulator, &calls)?;
    let bytes = memory::compare(&calls, &output.printed).with_context(|| output.told)?;
    let instruction = machine.dot.map_or(String::new(), |dot| format!("{dots} {dot}, "));
    let also = match machine.dot {
        Some("vpdpbusd") => {
            let codes: Vec<(&Kernel, &MachineCode)> = codes.iter().map(|(kernel, code)| (*kernel, code)).collect();
            format!("the same {} of AVX-VNNI, ", vex::compare(machine, &codes)?)
        }
        _ => String::new(),
    };
    let (runs, kernels) = (calls.len(), codes.len());
    Ok(format!("{runs} runs of {kernels} kernels equal the interpreter, {instruction}{also}{bytes} bytes compared"))
}
