//! Float convolutions and matrix products: a product by the `gemm` crate, then a pointwise kernel with the body.

use crate::body_of::{Given, Translated, body_of};
use crate::cores::two;
use crate::fast::CoreCall;
use crate::grid::dense_layout;
use crate::kernels::map::{self, MapSpec};
use crate::lower::{Home, Walk};
use qcc_cost::{FloatProduct, Unit, Work};
use qcc_ir::{NodeId, TypedGraph, ValueId};
use qcc_kernel::program::{Action, BufferId, Gemm, Im2Col, Matrix, Step};
use qcc_tensor::{DType, Tensor, TensorType};

impl Walk<'_, '_> {
    /// A float product with its body.
    ///
    /// # Errors
    /// Why there is no kernel.
    pub fn float_product(
        &mut self,
        id: NodeId,
        name: &str,
        core: &CoreCall<'_>,
        body_inputs: &[ValueId],
        body: &TypedGraph,
        given: &[Given],
    ) -> Result<(), String> {
        let acc_type = body.ty(body.graph().inputs()[0].output(0)).clone();
        if acc_type.dtype != DType::F32 {
            return Err(format!("a product of {}", acc_type.dtype));
        }
        let layout = dense_layout(&acc_type)?;
        let mut given = given.to_vec();
        given[0] = Given::Tensor(layout);
        let plain = body.graph().outputs()[0].1.node == body.graph().inputs()[0];
        let translated = if plain { None } else { Some(body_of(body, &given)?) };
        let acc = self.out.buffer(name, acc_type.bytes());
        match core.op.name {
            "Conv" => self.convolution(id, name, core, acc)?,
            _ => self.matrix_product(id, name, core, acc)?,
        }
        match translated {
            None => {
                self.homes.insert(id.output(0), Home::dense(acc));
                Ok(())
            }
            Some(translated) => self.body_behind(id, name, acc, &acc_type, body_inputs, translated),
        }
    }

    /// The pointwise kernel that applies the body to the product at `acc`.
    fn body_behind(
        &mut self,
        id: NodeId,
        name: &str,
        acc: BufferId,
        acc_type: &TensorType,
        body_inputs: &[ValueId],
        translated: Translated,
    ) -> Result<(), String> {
        let mut output = dense_layout(self.graph.ty(id.output(0)))?;
        if let Some(border) = self.borders.get(&id.output(0)) {
            output = output.with_halo(border.halo);
        }
        let spec = MapSpec { name: name.into(), output, body: translated.body.clone() };
        let generated = map::generate(&spec, self.options.target.width)?;
        // The product is the body's first input; it is no value of the graph, so it gets a home under the node's own name
        // until the node's result replaces it.
        self.homes.insert(id.output(0), Home { layout: Some(dense_layout(acc_type)?), ..Home::dense(acc) });
        let inputs: Vec<ValueId> = std::iter::once(id.output(0)).chain(body_inputs.iter().copied()).collect();
        let ns = self.ns(self.options.costs.node(self.graph, id).body + Work::of(Unit::Launch, 1.0));
        self.emit(id, name, generated, &[], &inputs, translated, output, 0, ns)
    }

    fn convolution(&mut self, id: NodeId, name: &str, core: &CoreCall<'_>, acc: BufferId) -> Result<(), String> {
        if core.attrs.str("layout") != Some("NHWC") {
            return Err("a convolution that is not channels-last".into());
        }
        let (x, w) = (core.inputs[0].ok_or("no input")?, core.inputs[1].ok_or("no weights")?);
        if core.inputs.get(2).copied().flatten().is_some() {
            return Err("a convolution with a bias of its own".into());
        }
        let weights = self.constant_of(w).cloned().ok_or("the weights are a run-time value")?;
        let (&[n, h, width, c], &[filters, group_channels, kh, kw]) =
            (self.graph.ty(x).shape.as_slice(), weights.shape())
        else {
            return Err("a convolution over other than two axes".into());
        };
        let group = core.attrs.int("group").unwrap_or(1) as usize;
        let (strides, dilations) = (two(core.attrs, "strides")?, two(core.attrs, "dilations")?);
        let &[top, left, bottom, right] = core.attrs.ints("pads").unwrap_or(&[]) else {
            return Err("pads of a convolution over two axes".into());
        };
        let size =
            |n: usize, pads: i64, k: usize, i: usize| (n + pads as usize - dilations[i] * (k - 1) - 1) / strides[i] + 1;
        let output = [size(h, top + bottom, kh, 0), size(width, left + right, kw, 1)];
        let (m, k) = (n * output[0] * output[1], kh * kw * group_channels);
        let filters_of_group = filters / group;
        let source = self.dense(x).0;
        let whole = group == 1 && [top, left, bottom, right] == [0; 4];
        // Windows of a single row lie in the input one behind the other, a stride apart.
        let in_a_row = n * output[0] == 1 && kh == 1 && dilations[1] == 1;
        let direct = whole && ([kh, kw] == [1, 1] && strides == [1, 1] || in_a_row);
        let pitch = if direct && in_a_row { strides[1] * c } else { k };
        let macs = self.macs(core, id);
        for g in 0..group {
            let packed = packed_weights(&weights, g, group);
            let b = self.out.constant(name, packed);
            let im2col = (!direct).then(|| Im2Col {
                input: [n, h, width, c],
                output,
                kernel: [kh, kw],
                strides,
                dilations,
                pads: [top as usize, left as usize],
                channels: [g * group_channels, group_channels],
            });
            let gemm = Gemm {
                batch: 1,
                m,
                n: filters_of_group,
                k,
                a: Matrix { buffer: source, offset: 0, row: pitch, column: 1, batch: 0 },
                b: Matrix { buffer: b, offset: 0, row: filters_of_group, column: 1, batch: 0 },
                c: Matrix { buffer: acc, offset: g * filters_of_group, row: filters, column: 1, batch: 0 },
                im2col,
            };
            self.push_gemm(name, gemm, macs / group as u64);
        }
        Ok(())
    }

    fn matrix_product(&mut self, id: NodeId, name: &str, core: &CoreCall<'_>, acc: BufferId) -> Result<(), String> {
        let (x, w) = (core.inputs[0].ok_or("no left operand")?, core.inputs[1].ok_or("no right operand")?);
        let (left, right) = (self.graph.ty(x).shape.to_vec(), self.graph.ty(w).shape.to_vec());
        let ([left_batch @ .., m, k], [right_batch @ .., _, n]) = (left.as_slice(), right.as_slice()) else {
            return Err("a product with a vector".into());
        };
        let batches: usize = left_batch.iter().product();
        let (batch, m) = if right_batch.iter().product::<usize>() == 1 {
            (1, batches * m)
        } else if left_batch == right_batch {
            (batches, *m)
        } else {
            return Err("a product of broadcast batches".into());
        };
        let (k, n) = (*k, *n);
        let (a, b) = (self.dense(x).0, self.dense(w).0);
        let gemm = Gemm {
            batch,
            m,
            n,
            k,
            a: Matrix { buffer: a, offset: 0, row: k, column: 1, batch: m * k },
            b: Matrix { buffer: b, offset: 0, row: n, column: 1, batch: k * n },
            c: Matrix { buffer: acc, offset: 0, row: n, column: 1, batch: m * n },
            im2col: None,
        };
        let macs = self.macs(core, id);
        self.push_gemm(name, gemm, macs);
        Ok(())
    }

    /// Appends the step of a product.
    pub fn push_gemm(&mut self, name: &str, gemm: Gemm, macs: u64) {
        let product =
            FloatProduct { batch: gemm.batch, m: gemm.m, n: gemm.n, k: gemm.k, gathers: gemm.im2col.is_some() };
        let predicted_ns = self.ns(product.work() + Work::of(Unit::Launch, 1.0));
        self.out.push(Step { name: name.into(), action: Action::Gemm(gemm), predicted_ns, macs, remark: None });
    }
}

/// The weights of a group as a matrix: rows `(row, column, channel)`, columns filters.
fn packed_weights(weights: &Tensor, group: usize, groups: usize) -> Vec<u8> {
    let &[filters, channels, kh, kw] = weights.shape() else { return Vec::new() };
    let values = weights.slice::<f32>();
    let own = filters / groups;
    let mut out = Vec::with_capacity(4 * own * channels * kh * kw);
    for tap in 0..kh * kw {
        for c in 0..channels {
            for o in group * own..(group + 1) * own {
                out.extend(values[(o * channels + c) * kh * kw + tap].to_le_bytes());
            }
        }
    }
    out
}
