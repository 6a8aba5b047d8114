//! How many bytes a step touches.

use super::{Action, BufferId, Gemm, Program, Step};
use crate::BufferKind;
use qcc_tensor::TensorType;

impl Program {
    /// Bytes that `step` reads and writes: every buffer it touches once, weights included, scratch memory not.
    /// What is read several times counts once, so this is a lower bound of the traffic.
    pub fn traffic(&self, step: &Step) -> usize {
        let bytes = |id: &BufferId| self.buffers[id.0 as usize].bytes;
        let typed = |(_, ty): &(BufferId, TensorType)| ty.bytes();
        match &step.action {
            Action::Kernel { kernel, buffers } => {
                let declared = &self.kernels[*kernel as usize].buffers;
                let touched = declared.iter().zip(buffers).filter(|(decl, _)| decl.kind != BufferKind::Scratch);
                let mut ids: Vec<BufferId> = touched.map(|(_, &id)| id).collect();
                ids.sort();
                ids.dedup();
                ids.iter().map(bytes).sum()
            }
            Action::Gemm(Gemm { a, b, c, .. }) => [a, b, c].iter().map(|m| bytes(&m.buffer)).sum(),
            Action::Halo(halo) => halo.ranges.iter().map(|(start, end)| end - start).sum(),
            Action::Reference { inputs, outputs, .. } => {
                inputs.iter().flatten().map(typed).sum::<usize>() + outputs.iter().map(typed).sum::<usize>()
            }
            Action::If { captures, outputs, .. } => captures.iter().chain(outputs).map(bytes).sum(),
            Action::Copy { bytes, .. } => 2 * bytes,
        }
    }
}
