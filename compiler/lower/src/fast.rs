//! Nodes that become kernels.

use crate::body_of::{Given, Source, Translated, body_of};
use crate::cores::Wanted;
use crate::grid::dense_layout;
use crate::halo::{self, Border};
use crate::kernels::body::{self, Body};
use crate::kernels::layout::TensorLayout;
use crate::kernels::map::{self, MapSpec};
use crate::kernels::{Arg, Generated};
use crate::lower::{Home, Walk};
use qcc_ir::{FusedNode, Graph, InputNode, Node, NodeId, OpNode, TypedGraph, ValueId};
use qcc_kernel::program::{Action, BufferId, Step};
use qcc_ops::{Attrs, Op};
use qcc_tensor::{Tensor, TensorType};

/// A core and what it reads.
pub struct CoreCall<'n> {
    /// The op.
    pub op: Op,
    /// Its canonical attributes.
    pub attrs: &'n Attrs,
    /// Its inputs.
    pub inputs: &'n [Option<ValueId>],
}

/// Ops that a body can be attached to.
const CORES: &[&str] = &[
    "IConv",
    "IWinograd",
    "IMatMul",
    "Conv",
    "MatMul",
    "CodedMatMul",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "ReduceMean",
    "ReduceSum",
    "ISumPool",
    "IReduceSum",
    "Softmax",
    "LayerNormalization",
];

impl Walk<'_, '_> {
    /// A single op as a kernel.
    ///
    /// # Errors
    /// Why there is none.
    pub fn fast_op(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        if let Some(done) = self.row_reduction(id, node, name) {
            return done;
        }
        match node.op.name {
            "DynamicGrid" => return self.dynamic_grid(id, node, name),
            "LstmSteps" => return self.lstm_steps(id, node, name),
            "DynamicQuantizeLinear" => return self.dynamic_codes(id, node, name),
            _ => {}
        }
        if CORES.contains(&node.op.name) {
            let core = CoreCall { op: node.op, attrs: &node.attrs, inputs: &node.inputs };
            let body = stored_as_is(self.graph.ty(id.output(0)))?;
            return self.kernel(id, name, Some(&core), &[], &body);
        }
        if !node.op.elementwise || node.outputs != 1 {
            return self.moved(id, node, name);
        }
        let (body, inputs) = self.single_op_body(id, node)?;
        self.kernel(id, name, None, &inputs, &body)
    }

    /// A fused node as a kernel.
    ///
    /// # Errors
    /// Why there is none.
    pub fn fast_fused(&mut self, id: NodeId, node: &FusedNode, name: &str) -> Result<(), String> {
        let split = node.core.as_ref().map_or(0, |c| c.inputs);
        let (core_inputs, body_inputs) = node.inputs.split_at(split);
        let core = node.core.as_ref().map(|c| CoreCall { op: c.op, attrs: &c.attrs, inputs: core_inputs });
        let body_inputs: Vec<ValueId> = body_inputs.iter().copied().flatten().collect();
        let body = self.graph.regions(id)[0].clone();
        self.kernel(id, name, core.as_ref(), &body_inputs, &body)
    }

    /// The body graph of one elementwise op, and its inputs at run time.
    fn single_op_body(&self, id: NodeId, node: &OpNode) -> Result<(TypedGraph, Vec<ValueId>), String> {
        let mut body = Graph::new("body");
        let mut inputs = Vec::new();
        let mut arguments = Vec::new();
        for value in &node.inputs {
            let Some(value) = *value else {
                arguments.push(None);
                continue;
            };
            arguments.push(Some(match self.graph.graph().node(value.node) {
                Node::Const(t) => body.add_const(t.clone()),
                _ => {
                    inputs.push(value);
                    body.add_input(input_node(self.graph.ty(value)))
                }
            }));
        }
        let call = OpNode { inputs: arguments, ..node.clone() };
        let result = body.add_op(call).output(0);
        body.add_output("y", result);
        let typed = qcc_ir::infer(&body).map_err(|e| e[0].message.clone())?;
        debug_assert_eq!(typed.ty(result), self.graph.ty(id.output(0)));
        Ok((typed, inputs))
    }

    fn kernel(
        &mut self,
        id: NodeId,
        name: &str,
        core: Option<&CoreCall<'_>>,
        body_inputs: &[ValueId],
        body: &TypedGraph,
    ) -> Result<(), String> {
        let mut given: Vec<Given> = Vec::new();
        if let Some(core) = core {
            given.push(self.core_value(core, id)?);
        }
        for &value in body_inputs {
            given.push(match self.constant_of(value) {
                Some(t) => Given::Constant(t.clone()),
                None => Given::Tensor(self.layout(value)?),
            });
        }
        let result = self.graph.ty(id.output(0)).clone();
        let output = dense_layout(&result)?;
        match core {
            None => {
                let translated = body_of(body, &given)?;
                let output = self.with_border(id, output);
                let spec = MapSpec { name: name.into(), output, body: translated.body.clone() };
                let generated = map::generate(&spec, self.options.target.width)?;
                self.emit(id, name, generated, &[], body_inputs, translated, output, 0, self.kernel_ns(id))
            }
            Some(core)
                if matches!(core.op.name, "Conv" | "MatMul") && !self.is_depthwise(core) && !self.has_tiles(core) =>
            {
                self.float_product(id, name, core, body_inputs, body, &given)
            }
            Some(core) => {
                let translated = body_of(body, &given)?;
                let output = self.with_border(id, output);
                self.other_core(id, name, core, body_inputs, translated, output)
            }
        }
    }

    fn other_core(
        &mut self,
        id: NodeId,
        name: &str,
        core: &CoreCall<'_>,
        body_inputs: &[ValueId],
        translated: Translated,
        output: TensorLayout,
    ) -> Result<(), String> {
        let wanted = Wanted { name, output, body: translated.body.clone() };
        let (generated, input) = self.core_kernel(core, wanted)?;
        let macs = self.macs(core, id);
        self.emit(id, name, generated, &[input], body_inputs, translated, output, macs, self.kernel_ns(id))
    }

    /// Multiply-accumulates of a core.
    pub fn macs(&self, core: &CoreCall<'_>, id: NodeId) -> u64 {
        let types: Vec<Option<&TensorType>> = core.inputs.iter().map(|v| v.map(|v| self.graph.ty(v))).collect();
        (core.op.macs)(&types, std::slice::from_ref(self.graph.ty(id.output(0))), core.attrs)
    }

    /// The tensor of a value that is a constant of the graph.
    pub fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        match self.graph.graph().node(value.node) {
            Node::Const(t) => Some(t),
            _ => None,
        }
    }

    /// The layout of a node's result with the border that its consumers want.
    pub fn with_border(&self, id: NodeId, layout: TensorLayout) -> TensorLayout {
        match self.borders.get(&id.output(0)) {
            Some(border) => layout.with_halo(border.halo),
            None => layout,
        }
    }

    /// The buffer and layout of a value with this border around it; copied if it has another one.
    pub fn bordered(&mut self, value: ValueId, border: Option<Border>) -> Result<(BufferId, TensorLayout), String> {
        let (home, layout) = (self.homes[&value], self.layout(value)?);
        let Some(border) = border else { return Ok((home.buffer, layout)) };
        if halo::covers(&layout, border.halo) && home.fill == border.fill {
            return Ok((home.buffer, layout));
        }
        let plain = TensorLayout::dense(layout.n, layout.h, layout.w, layout.c, layout.elem);
        let wide = plain.with_halo(border.halo);
        let buffer = self.copied_with(home, layout, wide, "with border", Some(border.fill));
        Ok((buffer, wide))
    }

    /// A copy of a value in another layout.
    pub fn copied(&mut self, home: Home, from: TensorLayout, to: TensorLayout, what: &str) -> BufferId {
        self.copied_with(home, from, to, what, None)
    }

    fn copied_with(
        &mut self,
        home: Home,
        from: TensorLayout,
        to: TensorLayout,
        what: &str,
        fill: Option<u8>,
    ) -> BufferId {
        let buffer = self.out.buffer(what, to.bytes());
        if let Some(fill) = fill {
            self.push_border(&to, buffer, fill);
        }
        let spec = MapSpec { name: what.into(), output: to, body: map::copy_of(from) };
        let generated = map::generate(&spec, self.options.target.width).expect("elements of one type can be copied");
        let tensors = [home.buffer];
        self.push_kernel(what, generated, &[], &tensors, buffer, 0, self.ns(qcc_cost::moved(2 * to.bytes())));
        buffer
    }

    /// Appends the step that fills a border with a byte.
    pub fn push_border(&mut self, layout: &TensorLayout, buffer: BufferId, value: u8) {
        let fill = halo::fill(layout, buffer, value);
        let bytes: usize = fill.ranges.iter().map(|(start, end)| end - start).sum();
        self.out.push(Step {
            name: "border".into(),
            action: Action::Halo(fill),
            predicted_ns: self.ns(qcc_cost::filled(bytes)),
            macs: 0,
            remark: None,
        });
    }

    /// Appends the step of a generated kernel and gives the node's result its home.
    #[allow(clippy::too_many_arguments, reason = "a step is made of exactly these parts, each of another type")]
    pub fn emit(
        &mut self,
        id: NodeId,
        name: &str,
        generated: Generated,
        core_inputs: &[BufferId],
        body_inputs: &[ValueId],
        translated: Translated,
        output: TensorLayout,
        macs: u64,
        predicted_ns: f64,
    ) -> Result<(), String> {
        let first = usize::from(!core_inputs.is_empty());
        let tensors: Vec<BufferId> = translated
            .tensors
            .iter()
            .map(|source| match source {
                Source::Input(i) => self.homes[&body_inputs[i - first]].buffer,
                Source::Constant(t) => self.out.constant(name, t.to_shared()),
            })
            .collect();
        let buffer = self.out.buffer(name, output.bytes());
        let border = self.borders.get(&id.output(0)).copied();
        if let Some(border) = border {
            self.push_border(&output, buffer, border.fill);
        }
        self.push_kernel(name, generated, core_inputs, &tensors, buffer, macs, predicted_ns);
        let range = range_of(&translated.body);
        let fill = border.map_or(0, |b| b.fill);
        self.homes.insert(id.output(0), Home { buffer, layout: Some(output), fill, range });
        Ok(())
    }

    /// Appends the step of a generated kernel.
    #[allow(clippy::too_many_arguments, reason = "a step is made of exactly these parts, each of another type")]
    pub fn push_kernel(
        &mut self,
        name: &str,
        generated: Generated,
        inputs: &[BufferId],
        tensors: &[BufferId],
        output: BufferId,
        macs: u64,
        predicted_ns: f64,
    ) {
        let mut buffers = Vec::new();
        for (arg, decl) in generated.args.iter().zip(&generated.kernel.buffers) {
            let buffer = match arg {
                Arg::Input(i) => inputs[*i as usize],
                Arg::Operand(i) => tensors[*i as usize],
                Arg::Output => output,
                Arg::Constants => self.out.constant(name, generated.constants.clone()),
                Arg::Scratch(bytes) => self.out.buffer(name, *bytes as usize),
            };
            self.out.reserve(buffer, decl.bytes);
            buffers.push(buffer);
        }
        let kernel = self.out.kernel(generated.kernel);
        let action = Action::Kernel { kernel, buffers };
        self.out.push(Step { name: name.into(), action, predicted_ns, macs, remark: None });
    }
}

/// A body that stores its only input.
///
/// # Errors
/// A bug in qcc only.
pub fn stored_as_is(ty: &TensorType) -> Result<TypedGraph, String> {
    let mut body = Graph::new("body");
    let acc = body.add_input(input_node(ty));
    body.add_output("y", acc);
    qcc_ir::infer(&body).map_err(|e| e[0].message.clone())
}

fn input_node(ty: &TensorType) -> InputNode {
    let dims = ty.shape.iter().map(|&d| qcc_ir::Dim::Known(d)).collect();
    InputNode { name: "x".into(), dtype: ty.dtype, dims: Some(dims) }
}

/// Bounds of the codes that a body stores, where it limits them itself.
fn range_of(body: &Body) -> Option<(i32, i32)> {
    match body.nodes.get(body.result.0 as usize)? {
        body::Node::ClipCode { lo, hi, .. } => Some((*lo, *hi)),
        _ => None,
    }
}
