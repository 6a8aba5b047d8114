//! Roundings in a body: quantization and requantization with the clips behind them, and what dequantization starts with.

use qcc_kernel::{BinOp, Lane, UnOp, Value, Width};

use super::apply::Tile;
use super::body::{Body, Node, NodeId};
use super::{bounds, quotient};

/// Floats near this one are the integers.
const MAGIC: f32 = 12_582_912.0;

/// Of each node that divides by a constant and rounds, the constant and its reciprocal, if they do for the division; fused
/// products are fast where registers are wide.
pub(super) fn reciprocals(body: &Body, width: Width) -> Vec<Option<(f32, f32)>> {
    let of = |node: &Node| match node {
        Node::Quantize { scale, zero_point, to, .. } if width == Width::V256 => {
            let Node::F32(scale) = body.nodes[scale.0 as usize] else { return None };
            let (lo, hi) = to.code_range()?;
            let codes = lo.checked_sub(*zero_point)?..=hi.checked_sub(*zero_point)?;
            let reciprocal = if is_power(scale) { None } else { quotient::reciprocal(scale, codes) };
            reciprocal.map(|reciprocal| (scale, reciprocal))
        }
        _ => None,
    };
    body.nodes.iter().map(of).collect()
}

/// Whether a number is a power of two with one as its reciprocal.
fn is_power(s: f32) -> bool {
    s.to_bits() & 0x007f_ffff == 0 && s.is_normal() && (1.0 / s).is_normal()
}

/// Who limits the result of a rounding to the code type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Saturation {
    /// The narrowing that follows.
    Pack,
    /// Nobody else.
    Explicit,
}

impl Tile<'_, '_, '_> {
    /// A quantization with the clips behind it, as I32 lanes: clamped, rounded, zero-point added.
    pub(super) fn rounded(&mut self, id: NodeId, v: usize, saturation: Saturation) -> Value {
        let emitter = self.emitter;
        let (root, lo, hi) = emitter.clipped(id);
        let magnitude = |id: &NodeId| emitter.magnitudes[id.0 as usize];
        let reciprocal = emitter.reciprocals[root.0 as usize];
        let (mut real, most, zero_point, to) = match &emitter.body.nodes[root.0 as usize] {
            Node::Quantize { x, scale, zero_point, to } => {
                let most = bounds::product(magnitude(x), bounds::reciprocal(emitter.body, *scale));
                let real = if reciprocal.is_some() { self.number(*x, v) } else { self.quotient(*x, *scale, v) };
                (real, most, *zero_point, *to)
            }
            Node::Requantize { acc, multiplier, zero_point, to } => {
                let most = bounds::product(magnitude(acc), magnitude(multiplier));
                let x = self.float(*acc, v);
                let scaled = match emitter.body.nodes[multiplier.0 as usize] {
                    Node::F32(1.0) => x,
                    _ => {
                        let m = self.number(*multiplier, v);
                        self.b.binary(BinOp::Mul, x, m)
                    }
                };
                (scaled, most, *zero_point, *to)
            }
            other => panic!("this is a bug in qcc: {other:?} is no quantization"),
        };
        let (lowest, highest) = to.code_range().unwrap_or((lo, hi));
        let explicit = saturation == Saturation::Explicit;
        let (mut below, mut above) = (explicit || lo > lowest, explicit || hi < highest);
        let small = most <= bounds::ROUNDS;
        // Where one clamp is needed, a second one costs less than the conversion that it makes unnecessary.
        if !small && (below || above || most > bounds::CONVERTS) {
            (below, above) = (true, true);
        }
        // A dividend is limited before it is divided.
        let scale = reciprocal.map_or(1.0, |(scale, _)| scale);
        if below {
            // A NaN becomes the lowest code here, and only here: what is bounded is no NaN.
            let lo = self.splat(Lane::F32, ((lo - zero_point) as f32 * scale).to_bits());
            real = self.b.binary(BinOp::Max, real, lo);
        }
        if above {
            let hi = self.splat(Lane::F32, ((hi - zero_point) as f32 * scale).to_bits());
            real = self.b.binary(BinOp::Min, real, hi);
        }
        if let Some((scale, reciprocal)) = reciprocal {
            let scale = self.splat(Lane::F32, (-scale).to_bits());
            let reciprocal = self.splat(Lane::F32, reciprocal.to_bits());
            let quotient = self.b.binary(BinOp::Mul, real, reciprocal);
            let rest = self.b.mul_add(real, quotient, scale);
            real = self.b.mul_add(quotient, rest, reciprocal);
        }
        // One instruction rounds and converts where registers are wide; elsewhere it takes two.
        let converts = zero_point == 0 && self.b.width() == Width::V256;
        if (small || below && above) && !converts {
            // Adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the low bits.
            let magic = self.splat(Lane::F32, MAGIC.to_bits());
            let sum = self.b.binary(BinOp::Add, real, magic);
            let bits = self.b.unary(UnOp::Bitcast(Lane::I32), sum);
            let origin = self.splat(Lane::I32, MAGIC.to_bits().wrapping_sub(zero_point as u32));
            return self.b.binary(BinOp::Sub, bits, origin);
        }
        let code = self.b.unary(UnOp::RoundToI32, real);
        if zero_point == 0 {
            return code;
        }
        let zero = self.splat(Lane::I32, zero_point as u32);
        self.b.binary(BinOp::Add, code, zero)
    }

    /// `x / scale`; by a power of two it is the product with the reciprocal, bit for bit.
    fn quotient(&mut self, x: NodeId, scale: NodeId, v: usize) -> Value {
        let x = self.number(x, v);
        if let Node::F32(s) = self.emitter.body.nodes[scale.0 as usize] {
            if s == 1.0 {
                return x;
            }
            if is_power(s) {
                let by = self.splat(Lane::F32, (1.0 / s).to_bits());
                return self.b.binary(BinOp::Mul, x, by);
            }
        }
        let scale = self.number(scale, v);
        self.b.binary(BinOp::Div, x, scale)
    }

    /// `q - zero_point` in I32 lanes, for the dequantization `id`. Codes are subtracted in I16 lanes, twice as many.
    pub(super) fn centred(&mut self, id: NodeId, q: NodeId, zero_point: i32, v: usize) -> Value {
        if zero_point == 0 {
            return self.number(q, v);
        }
        if !(self.emitter.is_code(q) && self.emitter.is_packed(q)) {
            let q = self.number(q, v);
            let zero = self.splat(Lane::I32, zero_point as u32);
            return self.b.binary(BinOp::Sub, q, zero);
        }
        let half = match self.known.halves[id.0 as usize][v / 2] {
            Some(known) => known,
            None => {
                let codes = self.half(q, v / 2);
                let zero = u32::from(zero_point as i16 as u16);
                let zero = self.splat(Lane::I16, zero << 16 | zero);
                self.b.binary(BinOp::Sub, codes, zero)
            }
        };
        self.known.halves[id.0 as usize][v / 2] = Some(half);
        self.b.unary(if v.is_multiple_of(2) { UnOp::WidenLowS } else { UnOp::WidenHighS }, half)
    }
}
