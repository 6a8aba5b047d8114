//! Reductions over the last axis, which are kernels over the channels of every pixel.

use crate::body_of::{Given, body_of};
use crate::fast::stored_as_is;
use crate::kernels::layout::{Elem, TensorLayout};
use crate::kernels::normalize::{self, NormalizeKind, NormalizeSpec};
use crate::lower::{Home, Walk};
use qcc_ir::{NodeId, OpNode};
use qcc_tensor::{Tensor, TensorType};

impl Walk<'_, '_> {
    /// A reduction over the last axis as a kernel; `None` if the node is something else.
    ///
    /// # Errors
    /// Why there is no kernel for it.
    pub fn row_reduction(&mut self, id: NodeId, node: &OpNode, name: &str) -> Option<Result<(), String>> {
        let kind = match node.op.name {
            "ReduceSum" | "ReduceMean" => NormalizeKind::Sum,
            "ReduceMax" => NormalizeKind::Max,
            "ReduceMin" => NormalizeKind::Min,
            _ => return None,
        };
        let x = node.inputs[0]?;
        let rank = self.graph.ty(x).rank() as i64;
        let axes = self.constant_of(node.inputs.get(1).copied().flatten()?).and_then(Tensor::to_i64_vec)?;
        matches!(axes.as_slice(), [axis] if *axis == rank - 1 || *axis == -1).then(|| {
            let input = self.layout(x)?;
            if input.elem != Elem::F32 {
                return Err(format!("a reduction of {:?}", input.elem));
            }
            let output = TensorLayout::dense(input.n, input.h, input.w, 1, input.elem);
            let shape = [input.n, input.h, input.w, 1];
            let body = stored_as_is(&TensorType::new(self.graph.ty(x).dtype, shape))?;
            let given = if node.op.name == "ReduceMean" { Given::Mean(input.c) } else { Given::Core };
            let translated = body_of(&body, &[given])?;
            let spec = NormalizeSpec { name: name.into(), kind, input, output, body: translated.body.clone() };
            let generated = normalize::generate(&spec)?;
            let source = self.homes[&x].buffer;
            self.emit(id, name, generated, &[source], &[], translated, output, 0, self.kernel_ns(id))?;
            // The result may have an axis less than the layout.
            let home = self.homes[&id.output(0)];
            self.homes.insert(id.output(0), Home::dense(home.buffer));
            Ok(())
        })
    }
}
