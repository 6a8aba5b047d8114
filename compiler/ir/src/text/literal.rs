//! Tensors as text.

use qcc_tensor::{DType, Element, Tensor, TensorType, bf16, f16};

/// Constants of at most so many elements are printed whole: scales, axes, shapes. Weights have hundreds.
pub const INLINE_ELEMENTS: usize = 8;

/// FNV-1a over type and content, eight bytes at a time.
pub fn content_hash(tensor: &Tensor) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    let step = |hash: u64, word: u64| (hash ^ word).wrapping_mul(PRIME).rotate_left(29);
    let ty = tensor.ty().to_string();
    let bytes = tensor.bytes().chunks(8).chain(ty.as_bytes().chunks(8));
    bytes.fold(OFFSET, |hash, chunk| {
        let mut word = [0u8; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        step(hash, u64::from_le_bytes(word))
    })
}

/// `[1, -1]`, `0.5`, or `#9a3b21f06c7d1e54`.
pub(super) fn print(tensor: &Tensor) -> String {
    if tensor.elements() > INLINE_ELEMENTS {
        return format!("#{:016x}", content_hash(tensor));
    }
    let items = elements(tensor);
    if tensor.rank() == 0 { items.concat() } else { format!("[{}]", items.join(", ")) }
}

fn elements(tensor: &Tensor) -> Vec<String> {
    fn all<T: Element>(t: &Tensor, text: impl Fn(T) -> String) -> Vec<String> {
        t.slice::<T>().iter().map(|&x| text(x)).collect()
    }
    match tensor.dtype() {
        DType::F32 => all::<f32>(tensor, |x| format!("{x:?}")),
        DType::F64 => all::<f64>(tensor, |x| format!("{x:?}")),
        DType::F16 => all::<f16>(tensor, |x| format!("{:?}", x.to_f32())),
        DType::BF16 => all::<bf16>(tensor, |x| format!("{:?}", x.to_f32())),
        DType::I8 => all::<i8>(tensor, |x| x.to_string()),
        DType::U8 => all::<u8>(tensor, |x| x.to_string()),
        DType::I16 => all::<i16>(tensor, |x| x.to_string()),
        DType::U16 => all::<u16>(tensor, |x| x.to_string()),
        DType::I32 => all::<i32>(tensor, |x| x.to_string()),
        DType::U32 => all::<u32>(tensor, |x| x.to_string()),
        DType::I64 => all::<i64>(tensor, |x| x.to_string()),
        DType::U64 => all::<u64>(tensor, |x| x.to_string()),
        DType::Bool => all::<bool>(tensor, |x| x.to_string()),
        other if other.is_int() => tensor.to_f64_vec().into_iter().map(|x| x.to_string()).collect(),
        _ => tensor.to_f64_vec().into_iter().map(|x| format!("{x:?}")).collect(),
    }
}

/// The tensor with these elements; the error says which element is no element of the type.
pub(super) fn parse(ty: &TensorType, items: &[&str]) -> Result<Tensor, String> {
    fn all<T: Element>(ty: &TensorType, items: &[&str], read: impl Fn(&str) -> Option<T>) -> Result<Tensor, String> {
        let read = |s: &&str| read(s).ok_or_else(|| format!("`{s}` is no element of {ty}"));
        let data = items.iter().map(read).collect::<Result<Vec<T>, String>>()?;
        Ok(Tensor::new(ty.shape.iter().copied(), data))
    }
    if items.len() != ty.elements() {
        return Err(format!("{ty} has {} elements, the list has {}", ty.elements(), items.len()));
    }
    match ty.dtype {
        DType::F32 => all::<f32>(ty, items, |s| s.parse().ok()),
        DType::F64 => all::<f64>(ty, items, |s| s.parse().ok()),
        DType::F16 => all::<f16>(ty, items, |s| s.parse().ok().map(f16::from_f32)),
        DType::BF16 => all::<bf16>(ty, items, |s| s.parse().ok().map(bf16::from_f32)),
        DType::I8 => all::<i8>(ty, items, |s| s.parse().ok()),
        DType::U8 => all::<u8>(ty, items, |s| s.parse().ok()),
        DType::I16 => all::<i16>(ty, items, |s| s.parse().ok()),
        DType::U16 => all::<u16>(ty, items, |s| s.parse().ok()),
        DType::I32 => all::<i32>(ty, items, |s| s.parse().ok()),
        DType::U32 => all::<u32>(ty, items, |s| s.parse().ok()),
        DType::I64 => all::<i64>(ty, items, |s| s.parse().ok()),
        DType::U64 => all::<u64>(ty, items, |s| s.parse().ok()),
        DType::Bool => all::<bool>(ty, items, |s| s.parse().ok()),
        small => {
            let read = |s: &&str| s.parse::<f64>().map_err(|_| format!("`{s}` is no element of {ty}"));
            let data = items.iter().map(read).collect::<Result<Vec<f64>, String>>()?;
            Ok(Tensor::from_f64(small, ty.shape.iter().copied(), &data))
        }
    }
}

/// Reproducible numbers (splitmix64): floats uniform in -1..1, 8-bit integers over their whole range, wider ones in
/// -1000..=1000 (unsigned from 0), bool as a coin.
pub(super) fn random(ty: &TensorType, seed: u64) -> Tensor {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 40
    };
    /// Numbers that `next` can return.
    const STEPS: f64 = (1u64 << 24) as f64;
    let (low, high) = match ty.dtype {
        DType::I8 => (-128.0, 127.0),
        DType::U8 => (0.0, 255.0),
        DType::Bool => (0.0, 1.0),
        other if other.is_unsigned() => (0.0, 1000.0),
        _ => (-1000.0, 1000.0),
    };
    let float = ty.dtype.is_float();
    let data: Vec<f64> = (0..ty.elements())
        .map(|_| next() as f64 / STEPS)
        .map(|x| if float { 2.0 * x - 1.0 } else { (low + x * (high - low + 1.0)).floor() })
        .collect();
    Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), &data)
}
