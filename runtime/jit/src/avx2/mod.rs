//! Kernels to machine code for x86-64 with AVX2 and FMA, both widths.
//!
//! ```text
//! kernel --linear--> line of items --live--> classes of values --allocate--> places --emit--> instructions --code--> bytes
//! ```
//!
//! The order of the instructions is the kernel's. Values live in registers from definition to last use; where there are
//! too few, whole lives go to the stack, cheapest first, and instructions read them from there.

mod allocate;
mod code;
mod codes;
mod emit;
mod linear;
mod listing;
mod live;
mod pool;
mod scalar;
mod shape;
mod vector;

use qcc_kernel::Kernel;

use crate::cpu::CpuFeatures;

pub use code::ALIGN;
pub use listing::listing;

/// Whether this backend can generate code for the CPU: it has AVX2 and FMA, and functions are called as on Unix.
pub fn supports(features: &CpuFeatures) -> bool {
    let has = |name| features.enabled().contains(&name);
    cfg!(all(target_arch = "x86_64", unix)) && has("has_avx2") && has("has_fma")
}

/// The code of a verified kernel, its constants in front, and where its first instruction is. The code may be placed at
/// any address that is a multiple of [`ALIGN`].
///
/// # Errors
/// What could not be encoded: a bug.
pub fn compile(kernel: &Kernel) -> Result<(Vec<u8>, usize), String> {
    let line = linear::linear(kernel);
    let lives = live::lives(&line);
    let mut reserved = 0;
    loop {
        match emit::emit(&line, &lives, reserved) {
            // Three operands and a result at most, and more than there were.
            Err(emit::Failure::Needs(more)) => reserved = more,
            Err(emit::Failure::Encoding(why)) => return Err(why),
            Ok(code) => return Ok(code),
        }
    }
}
