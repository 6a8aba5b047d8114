//! The body of a fused node as the pointwise program of a kernel.

use crate::grid::elem;
use crate::kernels::body::{Body, Compare, Fn1, Fn2, Node, NodeId, Operand};
use crate::kernels::layout::TensorLayout;
use qcc_ir::{Node as GraphNode, OpNode, TypedGraph, ValueId};
use qcc_tensor::{DType, Tensor};
use rustc_hash::FxHashMap;

/// What a value of the body's graph comes from.
#[derive(Clone)]
pub enum Given {
    /// The core's value.
    Core,
    /// The core's value, a sum, divided by the number of its terms.
    Mean(usize),
    /// A tensor at run time that lies like this.
    Tensor(TensorLayout),
    /// A constant.
    Constant(Tensor),
}

/// Where a tensor operand of a translated body comes from.
#[derive(Clone)]
pub enum Source {
    /// The graph input of the body at this position.
    Input(usize),
    /// A constant that is no single number and no value per channel.
    Constant(Tensor),
}

/// A translated body.
pub struct Translated {
    /// The program.
    pub body: Body,
    /// Where its tensor operands come from, in order.
    pub tensors: Vec<Source>,
}

/// Translates a body whose graph inputs are `given`.
///
/// # Errors
/// The first op or type that pointwise programs do not have.
pub fn body_of(graph: &TypedGraph, given: &[Given]) -> Result<Translated, String> {
    let g = graph.graph();
    let result = g.outputs()[0].1;
    let shape = graph.ty(result).shape.to_vec();
    let mut t = Translation { graph, shape, body: Body::new(), tensors: Vec::new(), values: FxHashMap::default() };
    for (i, (&id, given)) in g.inputs().iter().zip(given).enumerate() {
        let item = match given {
            Given::Core => Item::Node(t.body.push(Node::Core)),
            Given::Mean(terms) => {
                let sum = t.body.push(Node::Core);
                let terms = t.body.push(Node::F32(*terms as f32));
                Item::Node(t.body.push(Node::Binary(Fn2::Div, sum, terms)))
            }
            Given::Constant(tensor) => Item::Literal(tensor.clone()),
            Given::Tensor(layout) => {
                t.tensors.push(Source::Input(i));
                Item::Node(t.body.operand(Operand::Tensor(*layout)))
            }
        };
        t.values.insert(id.output(0), item);
    }
    for id in g.node_ids() {
        let item = match g.node(id) {
            GraphNode::Input(_) => continue,
            GraphNode::Const(tensor) => Item::Literal(tensor.clone()),
            GraphNode::Op(node) => Item::Node(t.op(node, graph.ty(id.output(0)).dtype)?),
            GraphNode::Fused(_) => return Err("a kernel inside a kernel's body".into()),
        };
        t.values.insert(id.output(0), item);
    }
    let stored = t.number(result)?;
    if stored.0 as usize + 1 != t.body.nodes.len() {
        t.body.result = stored;
    }
    Ok(Translated { body: t.body, tensors: t.tensors })
}

#[derive(Clone)]
enum Item {
    Node(NodeId),
    Literal(Tensor),
}

struct Translation<'g> {
    graph: &'g TypedGraph,
    /// Shape of the result, to which everything is broadcast.
    shape: Vec<usize>,
    body: Body,
    tensors: Vec<Source>,
    values: FxHashMap<ValueId, Item>,
}

impl Translation<'_> {
    fn op(&mut self, node: &OpNode, to: DType) -> Result<NodeId, String> {
        let attr = |name: &str| node.attrs.float(name).unwrap_or(0.0);
        let first = node.inputs.first().copied().flatten();
        let float = first.is_some_and(|v| self.graph.ty(v).dtype == DType::F32);
        let name = node.op.name;
        let unary = match name {
            "Neg" => Some(Fn1::Neg),
            "Abs" => Some(Fn1::Abs),
            "Sqrt" if float => Some(Fn1::Sqrt),
            "Floor" if float => Some(Fn1::Floor),
            "Ceil" if float => Some(Fn1::Ceil),
            "Round" if float => Some(Fn1::Round),
            "Exp" if float => Some(Fn1::Exp),
            "Tanh" if float => Some(Fn1::Tanh),
            "Sigmoid" if float => Some(Fn1::Sigmoid),
            "Erf" if float => Some(Fn1::Erf),
            _ => None,
        };
        if let Some(f) = unary {
            let x = self.argument(node, 0)?;
            return Ok(self.body.push(Node::Unary(f, x)));
        }
        let binary = match name {
            "Add" => Some(Fn2::Add),
            "Sub" => Some(Fn2::Sub),
            "Mul" => Some(Fn2::Mul),
            "Div" if float => Some(Fn2::Div),
            "Min" => Some(Fn2::Min),
            "Max" => Some(Fn2::Max),
            _ => None,
        };
        if let Some(f) = binary {
            let mut result = self.argument(node, 0)?;
            for i in 1..node.inputs.len() {
                let y = self.argument(node, i)?;
                let both = self.body.push(Node::Binary(f, result, y));
                // A minimum or maximum keeps NaN of its second operand only.
                result = match f {
                    Fn2::Min | Fn2::Max if float && !self.is_number(result) => {
                        self.body.push(Node::Select { compare: Compare::Ge, x: result, y: result, a: both, b: result })
                    }
                    _ => both,
                };
            }
            return Ok(result);
        }
        if let Some(test) = self.test(node)? {
            return Ok(test);
        }
        match name {
            "Identity" => self.argument(node, 0),
            "Where" => {
                let (condition, x, y) = (self.argument(node, 0)?, self.argument(node, 1)?, self.argument(node, 2)?);
                let no = self.body.push(Node::I32(0));
                Ok(self.body.push(Node::Select { compare: Compare::Eq, x: condition, y: no, a: y, b: x }))
            }
            "Relu" if float => {
                let x = self.argument(node, 0)?;
                Ok(self.larger(0.0, x))
            }
            "Clip" => self.clip(node, to),
            "Cast" if to == DType::Bool && float => {
                let x = self.argument(node, 0)?;
                let zero = self.body.push(Node::F32(0.0));
                let is_zero = self.body.push(Node::Test { compare: Compare::Eq, x, y: zero });
                let no = self.body.push(Node::I32(0));
                Ok(self.body.push(Node::Test { compare: Compare::Eq, x: is_zero, y: no }))
            }
            "Cast" if to == DType::F32 => {
                let x = self.argument(node, 0)?;
                Ok(if float { x } else { self.body.push(Node::ToF32(x)) })
            }
            // Codes are numbers in 32 bits as they are; adding nothing gives them the type.
            "Cast" if to == DType::I32 && first.is_some_and(|v| code(self.graph.ty(v).dtype).is_ok()) => {
                let x = self.argument(node, 0)?;
                let nothing = self.body.push(Node::I32(0));
                Ok(self.body.push(Node::Binary(Fn2::Add, x, nothing)))
            }
            "Reciprocal" if float => {
                let x = self.argument(node, 0)?;
                let one = self.body.push(Node::F32(1.0));
                Ok(self.body.push(Node::Binary(Fn2::Div, one, x)))
            }
            "HardSigmoid" if float => {
                let x = self.argument(node, 0)?;
                let (alpha, beta) = (attr("alpha"), attr("beta"));
                let scaled = self.with(Fn2::Mul, x, alpha);
                let moved = self.with(Fn2::Add, scaled, beta);
                Ok(self.unit(moved))
            }
            "HardSwish" if float => {
                let x = self.argument(node, 0)?;
                let scaled = self.with(Fn2::Mul, x, 1.0 / 6.0);
                let moved = self.with(Fn2::Add, scaled, 0.5);
                let gate = self.unit(moved);
                Ok(self.body.push(Node::Binary(Fn2::Mul, x, gate)))
            }
            "LeakyRelu" if float => {
                let x = self.argument(node, 0)?;
                let scaled = self.with(Fn2::Mul, x, attr("alpha"));
                let zero = self.body.push(Node::F32(0.0));
                Ok(self.body.push(Node::Select { compare: Compare::Ge, x, y: zero, a: x, b: scaled }))
            }
            "Gelu" if float && node.attrs.str("approximate") == Some("none") => {
                let x = self.argument(node, 0)?;
                let scaled = self.with(Fn2::Mul, x, std::f32::consts::FRAC_1_SQRT_2);
                let erf = self.body.push(Node::Unary(Fn1::Erf, scaled));
                let one = self.with(Fn2::Add, erf, 1.0);
                let half = self.with(Fn2::Mul, x, 0.5);
                Ok(self.body.push(Node::Binary(Fn2::Mul, half, one)))
            }
            "DequantizeLinear" => {
                let q = self.argument(node, 0)?;
                let scale = self.scale(node)?;
                let zero_point = self.zero_point(node)?;
                Ok(self.body.push(Node::Dequantize { q, scale, zero_point }))
            }
            "QuantizeLinear" => {
                let x = self.argument(node, 0)?;
                let scale = self.scale(node)?;
                let zero_point = self.zero_point(node)?;
                Ok(self.body.push(Node::Quantize { x, scale, zero_point, to: code(to)? }))
            }
            "Requantize" => {
                let acc = self.argument(node, 0)?;
                let multiplier = self.scale(node)?;
                let zero_point = self.zero_point(node)?;
                Ok(self.body.push(Node::Requantize { acc, multiplier, zero_point, to: code(to)? }))
            }
            "Lookup" => {
                let q = self.argument(node, 0)?;
                let table = self.literal(node, 1).ok_or("a table that is no constant")?;
                let to = code(to)?;
                let flip = if first.is_some_and(|v| self.graph.ty(v).dtype == DType::I8) { 0x80 } else { 0 };
                // The op's table starts at the lowest code, the body's is indexed by the code's byte.
                let table = (0..=255u8).map(|byte| table.bytes()[usize::from(byte ^ flip)]).collect();
                Ok(self.body.push(Node::Lookup { q, table, to }))
            }
            "Flip" => {
                let q = self.argument(node, 0)?;
                let table = (0..=255u8).map(|byte| byte ^ 0x80).collect();
                Ok(self.body.push(Node::Lookup { q, table, to: code(to)? }))
            }
            _ => Err(format!("{name} of {} in a kernel's body", first.map_or(to, |v| self.graph.ty(v).dtype))),
        }
    }

    /// A bool: a comparison, or what follows from bools; `None` for other ops.
    fn test(&mut self, node: &OpNode) -> Result<Option<NodeId>, String> {
        const TESTS: [&str; 9] =
            ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "IsNaN"];
        let name = node.op.name;
        if !TESTS.contains(&name) {
            return Ok(None);
        }
        let x = self.argument(node, 0)?;
        let y = match name {
            "Not" => self.body.push(Node::I32(0)),
            // What is no number differs from itself.
            "IsNaN" => {
                let same = self.body.push(Node::Test { compare: Compare::Eq, x, y: x });
                let no = self.body.push(Node::I32(0));
                return Ok(Some(self.body.push(Node::Test { compare: Compare::Eq, x: same, y: no })));
            }
            _ => self.argument(node, 1)?,
        };
        let (compare, x, y) = match name {
            "Equal" | "Not" => (Compare::Eq, x, y),
            "Greater" => (Compare::Gt, x, y),
            "GreaterOrEqual" => (Compare::Ge, x, y),
            "Less" => (Compare::Gt, y, x),
            "LessOrEqual" => (Compare::Ge, y, x),
            _ => {
                let f = if name == "And" { Fn2::Min } else { Fn2::Max };
                let both = self.body.push(Node::Binary(f, x, y));
                (Compare::Gt, both, self.body.push(Node::I32(0)))
            }
        };
        Ok(Some(self.body.push(Node::Test { compare, x, y })))
    }

    /// The node of an argument.
    fn argument(&mut self, node: &OpNode, i: usize) -> Result<NodeId, String> {
        let value = node.inputs.get(i).copied().flatten().ok_or_else(|| format!("{} lacks input {i}", node.op.name))?;
        self.number(value)
    }

    /// The node of a value; a constant becomes one.
    fn number(&mut self, value: ValueId) -> Result<NodeId, String> {
        let tensor = match &self.values[&value] {
            Item::Node(id) => return Ok(*id),
            Item::Literal(tensor) => tensor.clone(),
        };
        let id = self.constant(&tensor)?;
        self.values.insert(value, Item::Node(id));
        Ok(id)
    }

    fn constant(&mut self, tensor: &Tensor) -> Result<NodeId, String> {
        let channels = self.shape.last().copied().unwrap_or(1);
        let per_channel = tensor.elements() == channels && tensor.shape().last() == Some(&channels);
        Ok(match tensor.dtype() {
            DType::F32 if tensor.elements() == 1 => self.body.push(Node::F32(tensor.slice::<f32>()[0])),
            DType::I32 if tensor.elements() == 1 => self.body.push(Node::I32(tensor.slice::<i32>()[0])),
            DType::F32 if per_channel => self.body.operand(Operand::ChannelF32(tensor.slice::<f32>().to_vec())),
            DType::I32 if per_channel => self.body.operand(Operand::ChannelI32(tensor.slice::<i32>().to_vec())),
            _ => {
                let layout = broadcast_layout(tensor.shape(), tensor.dtype())?;
                self.tensors.push(Source::Constant(tensor.clone()));
                self.body.operand(Operand::Tensor(layout))
            }
        })
    }

    /// Whether a node is a constant number, and not NaN.
    fn is_number(&self, node: NodeId) -> bool {
        matches!(self.body.nodes.get(node.0 as usize), Some(Node::F32(v)) if !v.is_nan())
    }

    fn literal(&self, node: &OpNode, i: usize) -> Option<Tensor> {
        match &self.values[&node.inputs.get(i).copied().flatten()?] {
            Item::Literal(tensor) => Some(tensor.clone()),
            Item::Node(_) => None,
        }
    }

    /// The scale or multiplier of a quantization op: one number, or one for each place along an axis.
    fn scale(&mut self, node: &OpNode) -> Result<NodeId, String> {
        let scale = self.literal(node, 1).ok_or_else(|| format!("the scale of {} is no constant", node.op.name))?;
        if scale.dtype() != DType::F32 {
            return Err(format!("a scale of type {}", scale.dtype()));
        }
        if node.attrs.int("block_size").unwrap_or(0) != 0 || node.attrs.int("precision").unwrap_or(0) != 0 {
            return Err(format!("scales of blocks, or a precision of its own, in {}", node.op.name));
        }
        let values = scale.slice::<f32>();
        let first = *values.first().ok_or("a scale without elements")?;
        if values.iter().all(|v| v.to_bits() == first.to_bits()) {
            return Ok(self.body.push(Node::F32(first)));
        }
        let axis = node.attrs.int("axis").and_then(|axis| usize::try_from(axis).ok());
        let along = axis.filter(|&axis| self.shape.get(axis) == Some(&values.len()));
        let axis = along.ok_or_else(|| format!("a scale that follows no axis in {}", node.op.name))?;
        let mut shape = vec![1; self.shape.len()];
        shape[axis] = values.len();
        self.constant(&Tensor::new(shape, values.to_vec()))
    }

    /// The zero-point of a quantization op, the same for all channels.
    fn zero_point(&self, node: &OpNode) -> Result<i32, String> {
        if node.inputs.get(2).copied().flatten().is_none() {
            return Ok(0);
        }
        let zero = self.literal(node, 2).and_then(|t| t.to_i64_vec()).ok_or("a zero-point that is no constant")?;
        match zero.split_first() {
            Some((first, rest)) if rest.iter().all(|z| z == first) => Ok(*first as i32),
            _ => Err("zero-points that differ along an axis".into()),
        }
    }

    fn clip(&mut self, node: &OpNode, to: DType) -> Result<NodeId, String> {
        let x = self.argument(node, 0)?;
        let bound = |i: usize| match node.inputs.get(i).copied().flatten() {
            None => Ok(None),
            Some(_) => self.literal(node, i).map(|t| Some(t.to_f64_vec()[0])).ok_or("a limit that is no constant"),
        };
        let (lo, hi) = (bound(1)?, bound(2)?);
        if to == DType::F32 {
            let above = lo.map_or(x, |lo| self.larger(lo as f32, x));
            return Ok(hi.map_or(above, |hi| {
                let hi = self.body.push(Node::F32(hi as f32));
                self.body.push(Node::Binary(Fn2::Min, hi, above))
            }));
        }
        let (lowest, highest) = code(to)?.code_range().ok_or("limits of accumulators")?;
        let lo = lo.map_or(lowest, |v| v as i32);
        let hi = hi.map_or(highest, |v| v as i32);
        Ok(self.body.push(Node::ClipCode { q: x, lo, hi }))
    }

    /// `x`, or `bound` where it is larger; NaN stays.
    fn larger(&mut self, bound: f32, x: NodeId) -> NodeId {
        let bound = self.body.push(Node::F32(bound));
        self.body.push(Node::Binary(Fn2::Max, bound, x))
    }

    /// Limited to [0, 1].
    fn unit(&mut self, x: NodeId) -> NodeId {
        let above = self.larger(0.0, x);
        let one = self.body.push(Node::F32(1.0));
        self.body.push(Node::Binary(Fn2::Min, one, above))
    }

    fn with(&mut self, f: Fn2, x: NodeId, number: f32) -> NodeId {
        let number = self.body.push(Node::F32(number));
        self.body.push(Node::Binary(f, x, number))
    }
}

/// The dense layout of a tensor that is broadcast.
fn broadcast_layout(shape: &[usize], dtype: DType) -> Result<TensorLayout, String> {
    let [n, h, w, c] = crate::grid::grid(shape);
    Ok(TensorLayout::dense(n, h, w, c, elem(dtype)?))
}

fn code(dtype: DType) -> Result<crate::kernels::layout::Elem, String> {
    match elem(dtype) {
        Ok(e) if e.code_range().is_some() => Ok(e),
        _ => Err(format!("codes of type {dtype}")),
    }
}
