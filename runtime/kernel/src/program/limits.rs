//! What a program may need: memory, work and machine code, bounded before any of it is spent.

use super::{Action, Gemm, ProgramError};
use crate::Verified;

/// The most that a program of a file may need. A program of the compiler has [`Limits::NONE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the arena, of the arenas of branches and of gathered windows on one thread.
    pub memory: u64,
    /// Operations of one run: instructions of kernels, multiply-accumulates, elements moved.
    pub work: u64,
    /// Instructions of all kernels, which are compiled when a session is made: some microseconds each.
    pub instructions: u64,
}

impl Limits {
    /// Anything.
    pub const NONE: Limits = Limits { memory: u64::MAX, work: u64::MAX, instructions: u64::MAX };
}

/// Far above models of today on CPUs (an image network needs 50 MB, 10^9 operations and 30,000 instructions), and what a
/// machine still survives: 16 GiB, 10^12 operations (minutes), a million instructions (seconds).
impl Default for Limits {
    fn default() -> Limits {
        Limits { memory: 16 << 30, work: 1 << 40, instructions: 1 << 20 }
    }
}

impl Limits {
    /// # Errors
    /// The first limit that is exceeded.
    pub fn check(&self, needs: &Needs) -> Result<(), ProgramError> {
        let table = [
            ("bytes of memory", needs.memory, self.memory),
            ("operations for a run", needs.work, self.work),
            ("instructions of kernels", needs.instructions, self.instructions),
        ];
        match table.into_iter().find(|(_, needs, limit)| needs > limit) {
            Some((what, needs, limit)) => Err(ProgramError::Limit { what, needs, limit }),
            None => Ok(()),
        }
    }
}

/// What a program needs, at most; in the units of [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Bytes.
    pub memory: u64,
    /// Operations of a run. Branches are both counted; what follows the steps ([`super::Tail`]) is not.
    pub work: u64,
    /// Instructions of kernels.
    pub instructions: u64,
}

/// Rows of windows that a session gathers at once.
pub const GATHERED_ROWS: usize = 192;

impl Needs {
    pub(super) fn add(&mut self, other: &Needs) {
        self.memory = self.memory.saturating_add(other.memory);
        self.work = self.work.saturating_add(other.work);
        self.instructions = self.instructions.saturating_add(other.instructions);
    }

    /// What a checked step needs, without its branches.
    pub(super) fn add_step(&mut self, action: &Action, kernels: &[Verified]) {
        match action {
            Action::Kernel { kernel, .. } => self.add_work(kernels[*kernel as usize].operations),
            Action::Gemm(gemm) => self.add_gemm(gemm),
            Action::Halo(halo) => halo.ranges.iter().for_each(|(start, end)| self.add_work((end - start) as u64)),
            Action::Reference { op, attrs, inputs, outputs } => {
                let given: Vec<_> = inputs.iter().map(|input| input.as_ref().map(|(_, ty)| ty)).collect();
                let results: Vec<_> = outputs.iter().map(|(_, ty)| ty.clone()).collect();
                self.add_work((op.macs)(&given, &results, attrs));
                let elements = |ty: &qcc_tensor::TensorType| ty.elements() as u64;
                given.into_iter().flatten().chain(&results).for_each(|ty| self.add_work(elements(ty)));
            }
            Action::If { .. } => self.add_work(1),
            Action::Copy { bytes, .. } => self.add_work(*bytes as u64),
        }
    }

    fn add_gemm(&mut self, gemm: &Gemm) {
        let product = |sizes: &[usize]| sizes.iter().fold(1u64, |p, &size| p.saturating_mul(size as u64));
        // A product of nothing still takes its blocks.
        self.add_work(product(&[gemm.batch, gemm.m.max(1), gemm.n.max(1), gemm.k.max(1)]));
        if gemm.im2col.is_some() {
            let gathered = product(&[GATHERED_ROWS.min(gemm.m), gemm.k, size_of::<f32>()]);
            self.memory = self.memory.saturating_add(gathered);
        }
    }

    fn add_work(&mut self, operations: u64) {
        self.work = self.work.saturating_add(operations);
    }
}
