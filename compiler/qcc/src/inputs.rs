//! Inputs to run a model on when there is no data.

use qcc_tensor::{DType, Tensor, TensorType};

/// Seed of the inputs that are timed: every run of every program sees the same ones.
pub const SEED: u64 = 0x5eed;

/// Random inputs: floats in [-1, 1), 8-bit codes over their whole range, wider integers 0 or 1, other types zero.
pub fn random<'a>(types: impl Iterator<Item = &'a TensorType>, seed: u64) -> Vec<Tensor> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        // xorshift64*: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016).
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as u32
    };
    types.map(|ty| filled(ty, &mut |_| next())).collect()
}

/// Inputs at the edges of their types, on which saturation and overflow show: all lowest, all highest, both in turns, a
/// ramp from the lowest to the highest. Floats go from -1 to 1.
pub fn adversarial(types: &[&TensorType]) -> Vec<Vec<Tensor>> {
    const HIGHEST: u32 = (1 << 24) - 1;
    let patterns: [fn(usize) -> u32; 4] =
        [|_| 0, |_| HIGHEST, |i| if i % 2 == 0 { 0 } else { HIGHEST }, |i| (i as u32).wrapping_mul(0x1_0101) & HIGHEST];
    patterns.iter().map(|pattern| types.iter().map(|ty| filled(ty, &mut |i| pattern(i))).collect()).collect()
}

/// A tensor whose element `i` stands where `at(i)`, of 24 bits, stands between the ends of its type.
fn filled(ty: &TensorType, at: &mut dyn FnMut(usize) -> u32) -> Tensor {
    let n = ty.elements();
    let shape = ty.shape.iter().copied();
    match ty.dtype {
        DType::U8 => Tensor::new(shape, (0..n).map(|i| (at(i) >> 16) as u8).collect()),
        DType::I8 => Tensor::new(shape, (0..n).map(|i| ((at(i) >> 16) as u8 ^ 0x80) as i8).collect()),
        DType::I64 => Tensor::new(shape, (0..n).map(|i| i64::from(at(i) >> 23)).collect()),
        DType::I32 => Tensor::new(shape, (0..n).map(|i| (at(i) >> 23) as i32).collect()),
        DType::F32 => Tensor::new(shape, (0..n).map(|i| at(i) as f32 / (1 << 23) as f32 - 1.0).collect()),
        _ => Tensor::from_bytes(ty.clone(), vec![0; ty.bytes()].into()).expect("as many bytes as the type says"),
    }
}
