//! The shorter encoding of `vpdpbusd`, AVX-VNNI, which the emulators do not know.
//!
//! It is a choice of encoding only: code for a CPU that has both must take the dot products of the code that was run, in
//! the same order and of the same operands.

use anyhow::ensure;
use iced_x86::{Code, Decoder, DecoderOptions, FastFormatter, Instruction};
use qcc_jit::{CpuFeatures, MachineCode, machine_code};
use qcc_kernel::Kernel;
use rayon::prelude::*;

use crate::machine::Machine;

/// Compares code that was run with code of the shorter encoding. Returns how many dot products that has.
pub fn compare(machine: &Machine, codes: &[(&Kernel, &MachineCode)]) -> anyhow::Result<usize> {
    let features = CpuFeatures::named(machine.triple, &[machine.extensions, &["has_avx_vnni"]].concat());
    let count = |(kernel, ran): &(&Kernel, &MachineCode)| {
        let shorter = dots(&machine_code(kernel, &features)?.bytes, Code::VEX_Vpdpbusd_xmm_xmm_xmmm128);
        ensure!(
            shorter == dots(&ran.bytes, Code::EVEX_Vpdpbusd_xmm_k1z_xmm_xmmm128b32),
            "AVX-VNNI takes other dot products:\n{kernel}"
        );
        Ok(shorter.len())
    };
    codes.par_iter().map(count).sum()
}

/// The dot products of one encoding as text.
fn dots(code: &[u8], encoding: Code) -> Vec<String> {
    let is_dot = |instruction: &Instruction| instruction.code() == encoding;
    let text = |instruction: Instruction| {
        let mut text = String::new();
        FastFormatter::new().format(&instruction, &mut text);
        text
    };
    Decoder::new(64, code, DecoderOptions::NONE).into_iter().filter(is_dot).map(text).collect()
}
