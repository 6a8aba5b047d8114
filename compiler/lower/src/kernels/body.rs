//! The pointwise program a kernel applies to each element of its result before storing it.
//!
//! A body is a list of nodes in order of evaluation. The value of the core (a convolution's accumulator, a pooling sum)
//! enters through [`Node::Core`]; other tensors and per-channel constants enter through operands. A kernel without core
//! is a map: everything it reads is an operand. The graph lowering translates fused pointwise operators into bodies;
//! the generators emit them while the accumulator tile is in registers.
//!
//! Each node has an element type. Codes (U8, I8, I16) are numbers in the range of their type; I32 and F32 are what they say.

use thiserror::Error;

use super::layout::{Elem, TensorLayout};

/// A pointwise program.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// What the nodes read beside the core.
    pub operands: Vec<Operand>,
    /// The program; a node refers to earlier nodes only.
    pub nodes: Vec<Node>,
    /// The node that is stored.
    pub result: NodeId,
}

/// Position of a node in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub u32);

/// Something a body reads per element.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// One constant for each channel of the result.
    ChannelF32(Vec<f32>),
    /// One constant for each channel of the result.
    ChannelI32(Vec<i32>),
    /// A tensor at run time. Each of its dimensions equals that of the result, or is 1 and broadcast.
    Tensor(TensorLayout),
}

/// One step of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// The value the core computed.
    Core,
    /// The operand of that number.
    Operand(u32),
    /// A constant.
    F32(f32),
    /// A constant.
    I32(i32),
    /// `f(x)`; F32, and I32 for `Neg` and `Abs`.
    Unary(Fn1, NodeId),
    /// `f(x, y)`, both F32 or both I32 (codes count as I32).
    Binary(Fn2, NodeId, NodeId),
    /// The number as F32, rounded half to even.
    ToF32(NodeId),
    /// The nearest integer, ties to even, as I32. NaN and numbers outside I32 give the lowest.
    ToI32(NodeId),
    /// `(q - zero_point) * scale`, F32.
    Dequantize {
        /// A code, or an I32.
        q: NodeId,
        /// F32: a constant or a channel operand.
        scale: NodeId,
        /// The code of zero.
        zero_point: i32,
    },
    /// `saturate(round_half_even(x / scale) + zero_point)`, with a true division; NaN gives the lowest code.
    Quantize {
        /// F32.
        x: NodeId,
        /// F32, positive: a constant or a channel operand.
        scale: NodeId,
        /// The code of zero.
        zero_point: i32,
        /// Code type.
        to: Elem,
    },
    /// `saturate(round_half_even(f32(acc) * multiplier) + zero_point)`
    Requantize {
        /// I32 or F32.
        acc: NodeId,
        /// F32: a constant or a channel operand.
        multiplier: NodeId,
        /// The code of zero.
        zero_point: i32,
        /// Code type.
        to: Elem,
    },
    /// A code limited to `lo..=hi`, of the same type.
    ClipCode {
        /// A code.
        q: NodeId,
        /// Lowest code.
        lo: i32,
        /// Highest code.
        hi: i32,
    },
    /// `table[q as u8]`, a code of type `to`.
    Lookup {
        /// A code of 8 bits; an I8 code indexes by its byte (two's complement).
        q: NodeId,
        /// 256 bytes.
        table: Vec<u8>,
        /// Code type.
        to: Elem,
    },
    /// One where the comparison `x ? y` holds, else zero: a U8 code. `x` and `y` agree in type.
    Test {
        /// The comparison.
        compare: Compare,
        /// Left side.
        x: NodeId,
        /// Right side.
        y: NodeId,
    },
    /// `a` where the comparison `x ? y` holds, else `b`. `x` and `y` agree in type, `a` and `b` agree in type.
    Select {
        /// The comparison.
        compare: Compare,
        /// Left side.
        x: NodeId,
        /// Right side.
        y: NodeId,
        /// Result where it holds.
        a: NodeId,
        /// Result where it does not.
        b: NodeId,
    },
}

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fn1 {
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// Square root.
    Sqrt,
    /// Largest integer not above.
    Floor,
    /// Smallest integer not below.
    Ceil,
    /// Nearest integer, ties to even.
    Round,
    /// `e^x`, see [`qcc_kernel::math::exp`].
    Exp,
    /// See [`qcc_kernel::math::tanh`].
    Tanh,
    /// See [`qcc_kernel::math::sigmoid`].
    Sigmoid,
    /// See [`qcc_kernel::math::erf`].
    Erf,
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fn2 {
    /// `x + y`; integers wrap.
    Add,
    /// `x - y`; integers wrap.
    Sub,
    /// `x * y`; integers wrap.
    Mul,
    /// `x / y`, F32 only.
    Div,
    /// `x < y ? x : y`
    Min,
    /// `x > y ? x : y`
    Max,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Equal.
    Eq,
    /// `x > y`
    Gt,
    /// `x >= y`
    Ge,
}

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("this is a bug in qcc: node {node} of a kernel body: {what}")]
pub struct BodyError {
    /// Position of the node.
    pub node: u32,
    /// The violated rule.
    pub what: String,
}

impl Node {
    /// The nodes it is computed from.
    pub fn arguments(&self) -> Vec<NodeId> {
        match *self {
            Node::Core | Node::Operand(_) | Node::F32(_) | Node::I32(_) => Vec::new(),
            Node::Unary(_, x) | Node::ToF32(x) | Node::ToI32(x) => vec![x],
            Node::ClipCode { q, .. } | Node::Lookup { q, .. } => vec![q],
            Node::Binary(_, x, y) | Node::Test { x, y, .. } => vec![x, y],
            Node::Dequantize { q: x, scale, .. } | Node::Quantize { x, scale, .. } => vec![x, scale],
            Node::Requantize { acc, multiplier, .. } => vec![acc, multiplier],
            Node::Select { x, y, a, b, .. } => vec![x, y, a, b],
        }
    }
}

impl Body {
    /// The body that stores the core's value, or a map's only operand, as it is.
    pub fn identity() -> Body {
        Body { operands: Vec::new(), nodes: vec![Node::Core], result: NodeId(0) }
    }

    /// An empty program to append to.
    pub fn new() -> Body {
        Body { operands: Vec::new(), nodes: Vec::new(), result: NodeId(0) }
    }

    /// Appends a node, which becomes the result.
    pub fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.result = NodeId(self.nodes.len() as u32 - 1);
        self.result
    }

    /// Appends an operand and the node that reads it.
    pub fn operand(&mut self, operand: Operand) -> NodeId {
        self.operands.push(operand);
        self.push(Node::Operand(self.operands.len() as u32 - 1))
    }

    /// The element type of every node, given the type of the core's value.
    ///
    /// # Errors
    /// The first node whose arguments have the wrong types or come later.
    pub fn types(&self, core: Option<Elem>) -> Result<Vec<Elem>, BodyError> {
        let mut types: Vec<Elem> = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let ty = self.type_of(node, core, &types).map_err(|what| BodyError { node: i as u32, what })?;
            types.push(ty);
        }
        if self.result.0 as usize >= types.len() {
            return Err(BodyError { node: self.result.0, what: "the result is not a node".into() });
        }
        Ok(types)
    }

    /// The tensors read at run time, in order: the arguments a kernel takes between its inputs and its output.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorLayout> {
        self.operands.iter().filter_map(|operand| match operand {
            Operand::Tensor(layout) => Some(layout),
            _ => None,
        })
    }

    /// Of each node, whether all channels of a result with so many have the same value.
    pub fn uniform(&self, channels: usize) -> Vec<bool> {
        let mut uniform: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let one = match node {
                Node::Core => false,
                Node::Operand(i) => {
                    matches!(&self.operands[*i as usize], Operand::Tensor(l) if l.c == 1 && channels > 1)
                }
                _ => node.arguments().iter().all(|id| uniform[id.0 as usize]),
            };
            uniform.push(one);
        }
        uniform
    }

    fn type_of(&self, node: &Node, core: Option<Elem>, types: &[Elem]) -> Result<Elem, String> {
        let ty = |id: &NodeId| types.get(id.0 as usize).copied().ok_or(format!("{id:?} comes later"));
        let need = |id: &NodeId, want: Elem| match ty(id)? {
            got if got == want => Ok(got),
            got => Err(format!("{id:?} is {got:?}, not {want:?}")),
        };
        let number = |id: &NodeId| ty(id).map(|e| if e.code_range().is_some() { Elem::I32 } else { e });
        let code = |to: Elem| to.code_range().map(|_| to).ok_or(format!("{to:?} is no code type"));
        match node {
            Node::Core => core.ok_or("there is no core".into()),
            Node::Operand(i) => match self.operands.get(*i as usize) {
                Some(Operand::ChannelF32(_)) => Ok(Elem::F32),
                Some(Operand::ChannelI32(_)) => Ok(Elem::I32),
                Some(Operand::Tensor(layout)) => Ok(layout.elem),
                None => Err(format!("no operand {i}")),
            },
            Node::F32(_) => Ok(Elem::F32),
            Node::I32(_) => Ok(Elem::I32),
            Node::Unary(Fn1::Neg | Fn1::Abs, x) => number(x),
            Node::Unary(_, x) => need(x, Elem::F32),
            Node::Binary(f, x, y) => match (number(x)?, number(y)?) {
                (Elem::I32, Elem::I32) if *f == Fn2::Div => Err("integer division".into()),
                (x, y) if x == y => Ok(x),
                (x, y) => Err(format!("{f:?} of {x:?} and {y:?}")),
            },
            Node::ToF32(_) => Ok(Elem::F32),
            Node::ToI32(x) => need(x, Elem::F32).map(|_| Elem::I32),
            Node::Dequantize { q, scale, .. } => match number(q)? {
                Elem::I32 => need(scale, Elem::F32),
                other => Err(format!("dequantize of {other:?}")),
            },
            Node::Quantize { x, scale, to, .. } => need(x, Elem::F32).and(need(scale, Elem::F32)).and(code(*to)),
            Node::Requantize { acc, multiplier, to, .. } => {
                need(acc, Elem::I32).or(need(acc, Elem::F32)).and(need(multiplier, Elem::F32)).and(code(*to))
            }
            Node::ClipCode { q, .. } => code(ty(q)?),
            Node::Lookup { q, table, to } => match (code(ty(q)?)?, code(*to)?, table.len()) {
                (Elem::I16, ..) | (_, Elem::I16, _) => Err("a table of codes of 16 bits".into()),
                (_, to, 256) => Ok(to),
                (.., bytes) => Err(format!("a table of {bytes} bytes")),
            },
            Node::Test { x, y, .. } if number(x)? == number(y)? => Ok(Elem::U8),
            Node::Test { .. } => Err("a comparison of different types".into()),
            Node::Select { x, y, a, b, .. } => {
                if number(x)? == number(y)? && number(a)? == number(b)? {
                    if ty(a)? == ty(b)? { ty(a) } else { number(a) }
                } else {
                    Err("select of different types".into())
                }
            }
        }
    }
}

impl Default for Body {
    fn default() -> Body {
        Body::new()
    }
}
