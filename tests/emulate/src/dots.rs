//! Dot products of bytes: how many a kernel has, and how many its machine code has.

use std::ops::RangeInclusive;

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use qcc_kernel::{Block, Inst, Kernel, Op, Trip, Width};

use crate::machine::Machine;

/// How many dot products the code of a kernel must have.
///
/// A wide kernel computes halves of registers that it does not store; the code of the narrow one that is made of it leaves
/// them out.
pub fn in_kernel(machine: &Machine, kernel: &Kernel) -> RangeInclusive<usize> {
    let all = machine.dots_per_operation * in_block(&kernel.body);
    match kernel.width {
        Width::V128 => all..=all,
        Width::V256 if machine.wide => 0..=0,
        Width::V256 => all..=2 * all,
    }
}

fn in_block(block: &Block) -> usize {
    let in_inst = |inst: &Inst| match inst {
        Inst::Let { op: Op::Dot4 { .. }, .. } => 1,
        Inst::Let { .. } | Inst::Store { .. } => 0,
        Inst::Loop(l) if l.trip == Trip::Const(0) => 0,
        Inst::Loop(l) => in_block(&l.body),
        Inst::If { then, otherwise, .. } => in_block(then) + in_block(otherwise),
    };
    block.iter().map(in_inst).sum()
}

/// How many dot products machine code has.
pub fn in_code(machine: &Machine, code: &[u8]) -> usize {
    match machine.dot {
        None => 0,
        Some("vpdpbusd") => {
            let decoder = Decoder::new(64, code, DecoderOptions::NONE);
            decoder.into_iter().filter(|instruction| instruction.mnemonic() == Mnemonic::Vpdpbusd).count()
        }
        Some("usdot") => words(code).filter(|word| word & 0xffe0_fc00 == 0x4e80_9c00).count(),
        Some("sdot") => words(code).filter(|word| word & 0xffe0_fc00 == 0x4e80_9400).count(),
        Some(other) => panic!("nobody knows what {other} looks like"),
    }
}

fn words(code: &[u8]) -> impl Iterator<Item = u32> + '_ {
    code.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word))
}
