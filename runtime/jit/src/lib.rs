#![allow(unsafe_code, reason = "generated code is entered through function pointers and its memory is freed by hand")]
//! Kernel IR to machine code: the only user of Cranelift, and of an assembler.
//!
//! [`compile`] turns kernels into a [`CodeModule`] for the CPU described by [`CpuFeatures`]; [`clif`] and [`asm`] print
//! what was generated, and [`machine_code`] hands it out for any CPU that was named. Compiled code equals
//! [`qcc_kernel::interpret`] bit for bit.
//!
//! Wide kernels have a backend of their own, `avx2`, where the CPU has 256-bit registers; elsewhere they are halved into
//! narrow ones, which Cranelift compiles for any CPU.
//!
//! Invariants: kernels were accepted by [`qcc_kernel::verify`]; the order of instructions is kept (no mid-end); floating
//! point is never contracted; the code keeps no state and calls nothing.

mod avx2;
mod cpu;
mod module;
mod translate;
mod vector;

pub use cpu::{CpuFeatures, DotInstruction};
pub use module::{CodeModule, JitError, KernelFn, MachineCode, asm, clif, compile, machine_code};
