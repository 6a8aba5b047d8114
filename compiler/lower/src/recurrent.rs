//! The steps of recurrent layers as kernels.

use crate::kernels::lstm::{self, Lstm, LstmSpec};
use crate::lower::{Home, Walk};
use qcc_ir::{NodeId, OpNode};
use qcc_kernel::program::{Action, BufferId, Step};
use qcc_ops::{AttrValue, Attrs};
use qcc_tensor::{DType, Tensor};

impl Walk<'_, '_> {
    /// The steps of an LSTM.
    ///
    /// # Errors
    /// Why there is no kernel.
    pub fn lstm_steps(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        let input = |i: usize| node.inputs.get(i).copied().flatten();
        let products = input(0).ok_or("no products")?;
        let weights = input(1).and_then(|r| self.constant_of(r)).cloned().ok_or("the weights are run-time values")?;
        if weights.dtype() != DType::F32 {
            return Err(format!("steps in {}", weights.dtype()));
        }
        if input(5).is_some() || !is_plain(&node.attrs) {
            return Err("steps with peepholes or functions of their own".into());
        }
        let bias = match input(2) {
            Some(bias) => both(self.constant_of(bias).ok_or("the biases are run-time values")?),
            None => Vec::new(),
        };
        let (&[steps, batch, _], &[directions, _, hidden]) =
            (self.graph.ty(products).shape.as_slice(), weights.shape())
        else {
            return Err("products of other than three axes".into());
        };
        let backwards = match node.attrs.str("direction") {
            Some("reverse") => vec![true],
            _ => (0..directions).map(|d| d == 1).collect(),
        };
        let (h, c) = (input(3), input(4));
        let spec = LstmSpec {
            name: name.into(),
            steps,
            batch,
            hidden,
            backwards,
            weights: weights.slice::<f32>().to_vec(),
            bias,
            given: [h.is_some(), c.is_some()],
        };
        let Lstm { kernel, constants } = lstm::generate(&spec, self.options.target.width)?;
        let mut buffers: Vec<BufferId> =
            [Some(products), h, c].into_iter().flatten().map(|v| self.dense(v).0).collect();
        for output in 0..3 {
            let own = (output as usize) < node.outputs;
            let bytes = if own { self.graph.ty(id.output(output)).bytes() } else { 4 * directions * batch * hidden };
            let buffer = self.out.buffer(name, bytes);
            if own {
                self.homes.insert(id.output(output), Home::dense(buffer));
            }
            buffers.push(buffer);
        }
        buffers.push(self.out.constant(name, constants));
        kernel.buffers.iter().zip(&buffers).for_each(|(decl, buffer)| self.out.reserve(*buffer, decl.bytes));
        let macs = (steps * batch * weights.elements()) as u64;
        let action = Action::Kernel { kernel: self.out.kernel(kernel), buffers };
        self.out.push(Step { name: name.into(), action, predicted_ns: self.kernel_ns(id), macs, remark: None });
        Ok(())
    }
}

/// Whether the functions are those that an LSTM has unless it says otherwise.
fn is_plain(attrs: &Attrs) -> bool {
    let usual = ["Sigmoid", "Tanh", "Tanh"];
    let functions = match attrs.get("activations") {
        Some(AttrValue::Strs(names)) => names.iter().zip(usual.iter().cycle()).all(|(a, b)| a == b),
        _ => true,
    };
    functions && attrs.float("clip").is_none() && attrs.int("input_forget") == Some(0)
}

/// The biases `[direction, of inputs and of states, row]` as one.
fn both(bias: &Tensor) -> Vec<f32> {
    let values = bias.slice::<f32>();
    let rows = values.len() / bias.shape()[0] / 2;
    values.chunks_exact(2 * rows).flat_map(|d| (0..rows).map(|i| d[i] + d[rows + i])).collect()
}
