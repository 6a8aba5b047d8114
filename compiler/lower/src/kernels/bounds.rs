//! How large the numbers of a body can get, so that its emission leaves out clamps that never act.

use super::body::{Body, Fn1, Fn2, Node, NodeId, Operand};
use super::layout::Elem;

/// Magnitudes up to here convert to I32 whatever zero-point is added afterwards.
pub const CONVERTS: f64 = 2147483648.0 - 1024.0;

/// Magnitudes up to here round to an integer by adding and subtracting 1.5 * 2^23.
pub const ROUNDS: f64 = 4194304.0 - 1.0;

/// Room for the rounding of one float operation.
const ROUNDING: f64 = 1.0 + 1e-6;

/// The largest magnitude of every node, infinite where nothing is known (a NaN included). `core` bounds the core's value.
pub fn magnitudes(body: &Body, types: &[Elem], core: f64) -> Vec<f64> {
    let mut all: Vec<f64> = Vec::with_capacity(types.len());
    for (node, &elem) in body.nodes.iter().zip(types) {
        let of = |id: &NodeId| all[id.0 as usize];
        let magnitude = match node {
            Node::Core => core,
            Node::Operand(i) => match &body.operands[*i as usize] {
                Operand::ChannelF32(values) => largest(values.iter().copied()),
                Operand::ChannelI32(values) => values.iter().fold(0.0, |m, &v| f64::max(m, f64::from(v).abs())),
                Operand::Tensor(_) => f64::INFINITY,
            },
            Node::F32(v) => largest([*v]),
            Node::I32(v) => f64::from(*v).abs(),
            Node::Unary(f, x) => function(*f, of(x)),
            Node::Binary(f, x, y) => match f {
                Fn2::Add | Fn2::Sub => (of(x) + of(y)) * ROUNDING,
                Fn2::Mul => product(of(x), of(y)),
                Fn2::Div => f64::INFINITY,
                // The second operand is the result where the first is a NaN.
                Fn2::Min | Fn2::Max => of(x).max(of(y)),
            },
            Node::ToF32(x) => of(x) * ROUNDING,
            Node::ToI32(x) => of(x) + 1.0,
            Node::Dequantize { q, scale, zero_point } => product(of(q) + f64::from(*zero_point).abs(), of(scale)),
            Node::Test { .. } => 1.0,
            Node::Select { a, b, .. } => of(a).max(of(b)),
            Node::Quantize { .. } | Node::Requantize { .. } | Node::ClipCode { .. } | Node::Lookup { .. } => {
                f64::INFINITY
            }
        };
        all.push(match elem {
            Elem::U8 => 255.0,
            Elem::I8 => 128.0,
            Elem::I16 => 32768.0,
            Elem::I32 => magnitude.min(2147483648.0),
            Elem::F32 => magnitude,
        });
    }
    all
}

/// The largest magnitude of `1 / x`, if `x` is a constant.
pub fn reciprocal(body: &Body, id: NodeId) -> f64 {
    let of = |values: &[f32]| largest(values.iter().map(|v| 1.0 / v));
    match &body.nodes[id.0 as usize] {
        Node::F32(v) => of(&[*v]),
        Node::Operand(i) => match &body.operands[*i as usize] {
            Operand::ChannelF32(values) => of(values),
            _ => f64::INFINITY,
        },
        _ => f64::INFINITY,
    }
}

/// The largest magnitude of a product; nothing is known of zero times infinity.
pub fn product(a: f64, b: f64) -> f64 {
    let product = a * b * ROUNDING;
    if product.is_nan() { f64::INFINITY } else { product }
}

fn function(f: Fn1, x: f64) -> f64 {
    match f {
        Fn1::Neg | Fn1::Abs => x,
        Fn1::Floor | Fn1::Ceil | Fn1::Round => x + 1.0,
        Fn1::Sqrt => f64::INFINITY,
        Fn1::Exp if x < 64.0 => x.exp() * 1.01,
        Fn1::Tanh | Fn1::Sigmoid | Fn1::Erf if x.is_finite() => 1.01,
        Fn1::Exp | Fn1::Tanh | Fn1::Sigmoid | Fn1::Erf => f64::INFINITY,
    }
}

fn largest(values: impl IntoIterator<Item = f32>) -> f64 {
    values.into_iter().fold(0.0, |m, v| if v.is_nan() { f64::INFINITY } else { f64::max(m, f64::from(v).abs()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::layout::TensorLayout;

    #[test]
    fn magnitudes_of_a_residual_addition_are_finite_and_those_of_unknown_floats_are_not() {
        let mut body = Body::new();
        let codes = body.operand(Operand::Tensor(TensorLayout::matrix(2, 2, Elem::U8)));
        let scale = body.push(Node::F32(0.5));
        let x = body.push(Node::Dequantize { q: codes, scale, zero_point: 5 });
        let sum = body.push(Node::Binary(Fn2::Add, x, x));
        let unknown = body.operand(Operand::Tensor(TensorLayout::matrix(2, 2, Elem::F32)));
        let zero = body.push(Node::F32(0.0));
        let product = body.push(Node::Binary(Fn2::Mul, unknown, zero));
        let types = body.types(None).expect("a typed body");
        let all = magnitudes(&body, &types, 0.0);
        assert_eq!(all[codes.0 as usize], 255.0);
        assert!((all[sum.0 as usize] - 260.0).abs() < 0.01, "{all:?}");
        assert_eq!(all[product.0 as usize], f64::INFINITY);
        assert_eq!(reciprocal(&body, scale), 2.0);
        assert_eq!(reciprocal(&body, unknown), f64::INFINITY);
    }
}
