//! Ops that only move elements, as kernels that copy.

use crate::grid::{dense_layout, elem};
use crate::halo::Border;
use crate::kernels::layout::TensorLayout;
use crate::kernels::moves::{self, MoveSpec, Strided};
use crate::lower::{Home, Walk};
use qcc_ir::{NodeId, OpNode, ValueId};
use qcc_kernel::program::{self, Action, BufferId, Step};
use qcc_tensor::Tensor;

impl Walk<'_, '_> {
    /// A node that moves elements, as kernels.
    ///
    /// # Errors
    /// Why there is none.
    pub fn moved(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        match node.op.name {
            "Transpose" => {
                let x = node.inputs[0].ok_or("no input")?;
                let axes: Vec<usize> =
                    node.attrs.ints("perm").ok_or("no permutation")?.iter().map(|&a| a as usize).collect();
                let (buffer, from) = self.strided(x);
                self.copy_all(id, name, &[(buffer, from.permuted(&axes), Vec::new())])
            }
            "Slice" => self.slice(id, node, name),
            "Concat" => {
                let axis = node.attrs.int("axis").ok_or("no axis")? as usize;
                let mut parts = Vec::new();
                let mut at = 0;
                for value in node.inputs.iter().flatten() {
                    let (buffer, from) = self.strided(*value);
                    let shape = self.graph.ty(*value).shape.to_vec();
                    let mut first = vec![0; shape.len()];
                    first[axis] = at;
                    at += shape[axis];
                    parts.push((buffer, from, vec![(first, shape)]));
                }
                self.copy_all(id, name, &parts)
            }
            "Pad" => self.pad(id, node, name),
            "Expand" => {
                let x = node.inputs[0].ok_or("no input")?;
                let result = self.graph.ty(id.output(0)).shape.to_vec();
                let shape = self.graph.ty(x).shape.to_vec();
                let (buffer, from) = self.strided(x);
                let missing = result.len() - shape.len();
                let strides = (0..result.len())
                    .map(|i| match i.checked_sub(missing) {
                        Some(own) if shape[own] == result[i] => from.strides[own],
                        _ => 0,
                    })
                    .collect();
                self.copy_all(id, name, &[(buffer, Strided { strides, ..from }, Vec::new())])
            }
            "Resize" => self.repeated(id, node, name),
            other => Err(format!("{other} has no kernel")),
        }
    }

    fn slice(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        let x = node.inputs[0].ok_or("no input")?;
        let shape = self.graph.ty(x).shape.to_vec();
        let numbers = |walk: &Self, i: usize| -> Result<Option<Vec<i64>>, String> {
            let Some(value) = node.inputs.get(i).copied().flatten() else { return Ok(None) };
            let tensor = walk.constant_of(value).and_then(Tensor::to_i64_vec);
            tensor.map(Some).ok_or_else(|| "a slice whose bounds are run-time values".to_string())
        };
        let starts = numbers(self, 1)?.ok_or("no starts")?;
        let axes = numbers(self, 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = numbers(self, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        let (buffer, mut from) = self.strided(x);
        let mut offset = from.offset as isize;
        for ((&start, &axis), &step) in starts.iter().zip(&axes).zip(&steps) {
            let axis = (if axis < 0 { axis + shape.len() as i64 } else { axis }) as usize;
            let size = shape[axis] as i64;
            let start = if start < 0 { start + size } else { start };
            let last = if step > 0 { size } else { (size - 1).max(0) };
            offset += start.clamp(0, last) as isize * from.strides[axis];
            // A step beyond the axis leaves it at its first element, whatever its length.
            from.strides[axis] *= step.clamp(-size - 1, size + 1) as isize;
        }
        from.offset = usize::try_from(offset).map_err(|_| "a slice in front of its tensor")?;
        self.copy_all(id, name, &[(buffer, from, Vec::new())])
    }

    fn pad(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        let x = node.inputs[0].ok_or("no input")?;
        let ty = self.graph.ty(x).clone();
        if node.attrs.str("mode") != Some("constant") || node.inputs.get(3).copied().flatten().is_some() {
            return Err("a pad that is not constant on all axes".into());
        }
        let constant = |i: usize| node.inputs.get(i).copied().flatten().and_then(|v| self.constant_of(v));
        let pads = constant(1).and_then(Tensor::to_i64_vec).ok_or("a pad by a run-time amount")?;
        if pads.iter().any(|&p| p < 0) {
            return Err("a pad that removes elements".into());
        }
        let zeros = vec![0; ty.dtype.size()];
        let value = match node.inputs.get(2).copied().flatten() {
            None => zeros,
            Some(_) => constant(2).ok_or("a pad with a run-time value")?.bytes().to_vec(),
        };
        if value.iter().any(|&b| b != value[0]) {
            return Err("a pad with a value of several bytes".into());
        }
        let first = pads[..ty.rank()].iter().map(|&p| p as usize).collect();
        let (buffer, from) = self.strided(x);
        let output = self.result_layout(id);
        let (result, to) = self.result(id, name, output);
        let fill = program::Halo { buffer: result, value: value[0], ranges: vec![(0, to.bytes)] };
        self.out.push(Step {
            name: name.into(),
            action: Action::Halo(fill),
            predicted_ns: self.ns(qcc_cost::filled(to.bytes)),
            macs: 0,
            remark: None,
        });
        if let (Some(layout), Some(border)) = (output, self.borders.get(&id.output(0)).copied()) {
            self.push_border(&layout, result, border.fill);
        }
        let part = (buffer, from, vec![(first, ty.shape.to_vec())]);
        self.copy_parts(id, name, &[part], (result, &to))?;
        self.settle(id, result, output);
        Ok(())
    }

    /// How a value lies, axis by axis, and where.
    pub fn strided(&mut self, value: ValueId) -> (BufferId, Strided) {
        let ty = self.graph.ty(value).clone();
        match self.homes[&value].layout {
            Some(layout) if ty.rank() == 4 => (self.homes[&value].buffer, Strided::of(&layout)),
            _ => (self.dense(value).0, Strided::dense(&ty.shape, ty.dtype.size())),
        }
    }

    /// The layout of a result with the border its consumers want, if it is an image.
    fn result_layout(&self, id: NodeId) -> Option<TensorLayout> {
        let ty = self.graph.ty(id.output(0));
        let layout = dense_layout(ty).ok().filter(|_| ty.rank() == 4 && elem(ty.dtype).is_ok())?;
        Some(self.with_border(id, layout))
    }

    fn result(&mut self, id: NodeId, name: &str, layout: Option<TensorLayout>) -> (BufferId, Strided) {
        let ty = self.graph.ty(id.output(0)).clone();
        match layout {
            Some(layout) => (self.out.buffer(name, layout.bytes()), Strided::of(&layout)),
            None => (self.out.buffer(name, ty.bytes()), Strided::dense(&ty.shape, ty.dtype.size())),
        }
    }

    fn settle(&mut self, id: NodeId, buffer: BufferId, layout: Option<TensorLayout>) {
        let fill = self.borders.get(&id.output(0)).map_or(0, |b: &Border| b.fill);
        self.homes.insert(id.output(0), Home { buffer, layout, fill, range: None });
    }

    /// Writes all of a node's result by copies of `parts`: where they are read, and which box of the result they fill (the
    /// first element and the sizes; none means all of it).
    fn copy_all(&mut self, id: NodeId, name: &str, parts: &[Part]) -> Result<(), String> {
        let layout = self.result_layout(id);
        let (buffer, to) = self.result(id, name, layout);
        if let (Some(layout), Some(border)) = (layout, self.borders.get(&id.output(0)).copied()) {
            self.push_border(&layout, buffer, border.fill);
        }
        self.copy_parts(id, name, parts, (buffer, &to))?;
        self.settle(id, buffer, layout);
        Ok(())
    }

    /// Writes a result each axis of which is `factors` times as long as the axis it comes from. `from` has two strides for
    /// each axis: from one element of the source to the next, and from one of those that an element becomes to the next.
    ///
    /// # Errors
    /// Why there is no kernel.
    pub fn spread(
        &mut self,
        id: NodeId,
        name: &str,
        (source, from): (BufferId, Strided),
        factors: &[usize],
    ) -> Result<(), String> {
        let ty = self.graph.ty(id.output(0)).clone();
        let layout = self.result_layout(id);
        let (buffer, whole) = self.result(id, name, layout);
        let dims = ty.shape.iter().zip(factors).flat_map(|(&d, &f)| [d / f, f]).collect();
        let strides = whole.strides.iter().zip(factors).flat_map(|(&s, &f)| [s * f as isize, s]).collect();
        let (element, to) = (ty.dtype.size(), Strided { strides, ..whole });
        let kernel = moves::generate(&MoveSpec { name: name.into(), element, dims, from, to })?;
        if let (Some(layout), Some(border)) = (layout, self.borders.get(&id.output(0)).copied()) {
            self.push_border(&layout, buffer, border.fill);
        }
        let ns = self.ns(qcc_cost::moved(2 * ty.bytes()));
        self.push_kernel(name, kernel, &[source], &[], buffer, 0, ns);
        self.settle(id, buffer, layout);
        Ok(())
    }

    fn copy_parts(
        &mut self,
        id: NodeId,
        name: &str,
        parts: &[Part],
        (result, whole): (BufferId, &Strided),
    ) -> Result<(), String> {
        let ty = self.graph.ty(id.output(0)).clone();
        let element = ty.dtype.size();
        let mut generated = Vec::new();
        for (source, from, boxes) in parts {
            let (first, dims) = boxes.first().cloned().unwrap_or((vec![0; ty.rank()], ty.shape.to_vec()));
            let offset: isize = first.iter().zip(&whole.strides).map(|(&i, &s)| i as isize * s).sum();
            let to = Strided { offset: whole.offset + offset as usize, ..whole.clone() };
            let bytes = element * dims.iter().product::<usize>();
            let spec = MoveSpec { name: name.into(), element, dims, from: from.clone(), to };
            generated.push((moves::generate(&spec)?, *source, bytes));
        }
        for (kernel, source, bytes) in generated {
            let ns = self.ns(qcc_cost::moved(2 * bytes));
            self.push_kernel(name, kernel, &[source], &[], result, 0, ns);
        }
        Ok(())
    }
}

/// Something to copy: the buffer it lies in, how, and the box of the result it fills, if not all.
type Part = (BufferId, Strided, Vec<(Vec<usize>, Vec<usize>)>);
