//! When the outputs of a program are there.

use super::{Action, BufferId, Program};
use crate::BufferKind;

impl Program {
    /// After how many steps each output is complete: those up to the last that writes its buffer. It lies there until the next
    /// step.
    pub fn complete(&self) -> Vec<usize> {
        let mut complete = vec![0; self.buffers.len()];
        for (i, step) in self.steps.iter().enumerate() {
            self.written(&step.action, &mut |buffer| complete[buffer.0 as usize] = i + 1);
        }
        self.outputs.iter().map(|port| complete[port.buffer.0 as usize]).collect()
    }

    /// Calls `f` with every buffer an action writes.
    fn written(&self, action: &Action, f: &mut dyn FnMut(BufferId)) {
        match action {
            Action::Kernel { kernel, buffers } => {
                let declared = self.kernels[*kernel as usize].buffers.iter().zip(buffers);
                declared.filter(|(decl, _)| decl.kind == BufferKind::Out).for_each(|(_, &buffer)| f(buffer));
            }
            Action::Gemm(gemm) => f(gemm.c.buffer),
            Action::Halo(halo) => f(halo.buffer),
            Action::Reference { outputs, .. } => outputs.iter().for_each(|(buffer, _)| f(*buffer)),
            Action::If { outputs, .. } => outputs.iter().for_each(|&buffer| f(buffer)),
            Action::Copy { to, .. } => f(*to),
        }
    }
}
