//! Grids that are found at run time, as kernels.

use crate::grid::dense_layout;
use crate::kernels::body::{Body, Fn1, Fn2, Node, Operand};
use crate::kernels::covering::{self, Covering};
use crate::kernels::layout::{Elem, TensorLayout};
use crate::kernels::map::{self, MapSpec};
use crate::lower::{Home, Walk};
use qcc_ir::{NodeId, OpNode, ValueId};
use qcc_kernel::program::{Action, BufferId, Step};

impl Walk<'_, '_> {
    /// Scale and zero-point of the codes that cover a tensor.
    ///
    /// # Errors
    /// Why there are no kernels.
    pub fn dynamic_grid(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        let x = node.inputs[0].ok_or("no input")?;
        let results = self.covering(x, name)?;
        for (output, buffer) in (0..node.outputs as u32).zip(results) {
            self.homes.insert(id.output(output), Home::dense(buffer));
        }
        Ok(())
    }

    /// The same with the codes.
    ///
    /// # Errors
    /// Why there are no kernels.
    pub fn dynamic_codes(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        let x = node.inputs[0].ok_or("no input")?;
        let input = dense_layout(self.graph.ty(x))?;
        let output = TensorLayout { elem: Elem::U8, ..input };
        let number = |elem| Operand::Tensor(TensorLayout::dense(1, 1, 1, 1, elem));
        let mut body = Body::new();
        let value = body.operand(Operand::Tensor(input));
        let scale = body.operand(number(Elem::F32));
        let zero = body.operand(number(Elem::U8));
        let quotient = body.push(Node::Binary(Fn2::Div, value, scale));
        let rounded = body.push(Node::Unary(Fn1::Round, quotient));
        let zero = body.push(Node::ToF32(zero));
        let acc = body.push(Node::Binary(Fn2::Add, rounded, zero));
        let multiplier = body.push(Node::F32(1.0));
        body.push(Node::Requantize { acc, multiplier, zero_point: 0, to: Elem::U8 });
        let spec = MapSpec { name: name.into(), output, body };
        let generated = map::generate(&spec, self.options.target.width)?;
        let source = self.dense(x).0;
        let grid = self.covering(x, name)?;
        let codes = self.out.buffer(name, output.bytes());
        let tensors = [source, grid[0], grid[1]];
        let ns = self.ns(qcc_cost::quantized(output.len()));
        self.push_kernel(name, generated, &[], &tensors, codes, 0, ns);
        for (output, buffer) in (0..node.outputs as u32).zip([codes, grid[0], grid[1]]) {
            self.homes.insert(id.output(output), Home::dense(buffer));
        }
        Ok(())
    }

    /// Buffers with the scale and the zero-point of the codes that cover a tensor.
    fn covering(&mut self, x: ValueId, name: &str) -> Result<Vec<BufferId>, String> {
        let elements = self.graph.ty(x).elements();
        let Covering { extremes, grid, bytes } = covering::generate(name, elements, self.options.target.width)?;
        let input = self.dense(x).0;
        let between = self.out.buffer(name, bytes);
        let results: Vec<BufferId> = [4, 1].map(|bytes| self.out.buffer(name, bytes)).into();
        let steps = [
            (extremes, vec![input, between], qcc_cost::extremes(elements)),
            (grid, [vec![between], results.clone()].concat(), qcc_cost::moved(bytes)),
        ];
        for (kernel, buffers, work) in steps {
            kernel.buffers.iter().zip(&buffers).for_each(|(decl, buffer)| self.out.reserve(*buffer, decl.bytes));
            let action = Action::Kernel { kernel: self.out.kernel(kernel), buffers };
            let predicted_ns = self.ns(work);
            self.out.push(Step { name: name.into(), action, predicted_ns, macs: 0, remark: None });
        }
        Ok(results)
    }
}
