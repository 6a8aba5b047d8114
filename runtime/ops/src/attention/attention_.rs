//! `Attention`.

use super::heads::Heads;
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{DType, Tensor, TensorType, broadcast_shapes};

/// Scaled dot products of queries with keys, a softmax over the keys, and the mean of the values by these weights.
///
/// `y = softmax(cap(scale * q k^T) + mask) v`; a query that no key is left for gives zeros. Keys and values before those
/// given (`past_*`) stand in front. Computed in f64 with the roundings that the standard names: of the scores, of the
/// softmax, and of the result.
pub static OP: OpDef = OpDef {
    name: "Attention",
    domain: "",
    doc: "Scaled dot-product attention.",
    inputs: &[
        Param::one("q"),
        Param::one("k"),
        Param::one("v"),
        Param::optional("attn_mask"),
        Param::optional("past_key"),
        Param::optional("past_value"),
        Param::optional("nonpad_kv_seqlen"),
    ],
    outputs: &[
        Param::one("y"),
        Param::optional("present_key"),
        Param::optional("present_value"),
        Param::optional("qk_matmul_output"),
    ],
    attrs: &[
        AttrDef::new("is_causal", AttrKind::Int, Default::Int(0)),
        AttrDef::new("kv_num_heads", AttrKind::Int, Default::Absent),
        AttrDef::new("left_window_size", AttrKind::Int, Default::Int(-1)),
        AttrDef::new("q_num_heads", AttrKind::Int, Default::Absent),
        AttrDef::new("qk_matmul_output_mode", AttrKind::Int, Default::Int(0)),
        AttrDef::new("right_window_size", AttrKind::Int, Default::Int(-1)),
        AttrDef::new("scale", AttrKind::Float, Default::Absent),
        AttrDef::new("softcap", AttrKind::Float, Default::Float(0.0)),
        AttrDef::new("softmax_precision", AttrKind::Type, Default::Absent),
    ],
    elementwise: false,
    infer,
    eval,
    macs,
};

/// Sizes of one call.
struct Sizes {
    q: Heads,
    k: Heads,
    v: Heads,
    past: usize,
    /// Keys, those of the past included.
    total: usize,
}

fn sizes(types: [&TensorType; 3], past: [Option<&TensorType>; 2], attrs: &Attrs) -> Result<Sizes, OpError> {
    let q = Heads::new(types[0], attrs.int("q_num_heads"))?;
    let k = Heads::new(types[1], attrs.int("kv_num_heads"))?;
    let v = Heads::new(types[2], attrs.int("kv_num_heads"))?;
    let fits = q.batch == k.batch
        && k.batch == v.batch
        && q.size == k.size
        && k.heads == v.heads
        && k.steps == v.steps
        && k.heads > 0
        && q.heads % k.heads == 0;
    if !fits {
        return Err(OpError::invalid(format!(
            "queries {}, keys {} and values {} do not fit",
            types[0], types[1], types[2]
        )));
    }
    let past = match past {
        [None, None] => 0,
        [Some(pk), Some(pv)] => {
            let steps = pk.shape.get(2).copied().unwrap_or(0);
            if pk.shape[..] != [q.batch, k.heads, steps, k.size] || pv.shape[..] != [q.batch, k.heads, steps, v.size] {
                return Err(OpError::invalid(format!(
                    "past keys {pk} and values {pv} do not fit {} and {}",
                    types[1], types[2]
                )));
            }
            steps
        }
        _ => return Err(OpError::invalid("past keys and past values must be given together")),
    };
    Ok(Sizes { q, k, v, past, total: past + k.steps })
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let types = [a.ty(0)?, a.ty(1)?, a.ty(2)?];
    let s = sizes(types, [a.opt_ty(4), a.opt_ty(5)], a.attrs)?;
    if !types[0].dtype.is_float() || types[1].dtype != types[0].dtype || !types[2].dtype.is_float() {
        return Err(OpError::invalid(format!(
            "queries and keys must be of one float type, got {} and {}",
            types[0], types[1]
        )));
    }
    let scores = [s.q.batch, s.q.heads, s.q.steps, s.total];
    if let Some(mask) = a.opt_ty(3) {
        let mut shape = mask.shape.clone();
        if let Some(last) = shape.last_mut()
            && *last < s.total
        {
            *last = s.total;
        }
        if broadcast_shapes(&shape, &scores).as_deref() != Some(&scores)
            || !(mask.dtype == DType::Bool || mask.dtype.is_float())
        {
            return Err(OpError::invalid(format!("a mask of scores {scores:?} is {mask}")));
        }
    }
    if let Some(lengths) = a.opt_ty(6)
        && (lengths.shape[..] != [s.q.batch] || !lengths.dtype.is_int() || a.opt_ty(4).is_some())
    {
        return Err(OpError::invalid(format!(
            "expected one length for each of {} sequences, got {lengths}",
            s.q.batch
        )));
    }
    if !matches!(a.attrs.int("qk_matmul_output_mode"), Some(0..=3)) {
        return Err(OpError::invalid("qk_matmul_output_mode must be 0, 1, 2 or 3"));
    }
    if a.attrs.dtype("softmax_precision").is_some_and(|d| !d.is_float()) {
        return Err(OpError::invalid("softmax_precision must be a float type"));
    }
    let y = Heads { size: s.v.size, ..s.q };
    let present = |h: Heads| [h.batch, h.heads, s.total, h.size];
    let mut out = vec![
        TensorType::new(types[0].dtype, y.shape()),
        TensorType::new(types[1].dtype, present(s.k)),
        TensorType::new(types[2].dtype, present(s.v)),
        TensorType::new(types[0].dtype, scores),
    ];
    out.truncate(a.outputs);
    Ok(out)
}

fn macs(inputs: &[Option<&TensorType>], _: &[TensorType], attrs: &Attrs) -> u64 {
    let ty = |i: usize| inputs.get(i).copied().flatten();
    match (ty(0), ty(1), ty(2)) {
        (Some(q), Some(k), Some(v)) => sizes([q, k, v], [ty(4), ty(5)], attrs)
            .map_or(0, |s| (s.q.batch * s.q.heads * s.q.steps * s.total * (s.q.size + s.v.size)) as u64),
        _ => 0,
    }
}

/// Past and new rows of each head, one behind the other: `[batch, heads, total, size]`.
fn joined(past: Option<&Tensor>, new: &[f64], h: Heads, steps: usize) -> Vec<f64> {
    let Some(past) = past else { return new.to_vec() };
    let past = past.to_f64_vec();
    let (before, after) = (steps * h.size, h.steps * h.size);
    let head = |i: usize| past[i * before..(i + 1) * before].iter().chain(&new[i * after..(i + 1) * after]);
    (0..h.batch * h.heads).flat_map(head).copied().collect()
}

/// A mask as what is added to scores, padded on the right with minus infinity.
struct Mask {
    values: Vec<f64>,
    shape: Vec<usize>,
}

impl Mask {
    fn new(mask: &Tensor) -> Mask {
        let raw = mask.to_f64_vec();
        let bias = |v: f64| if v == 0.0 { f64::NEG_INFINITY } else { 0.0 };
        let values = if mask.dtype() == DType::Bool { raw.into_iter().map(bias).collect() } else { raw };
        Mask { values, shape: mask.shape().to_vec() }
    }

    fn at(&self, index: [usize; 4], total: usize) -> f64 {
        let mut flat = 0;
        let skip = 4 - self.shape.len();
        for (d, &size) in self.shape.iter().enumerate() {
            let i = index[d + skip];
            let last = d + 1 == self.shape.len();
            if last && size < total && size <= i {
                return f64::NEG_INFINITY;
            }
            flat = flat * size + if size == 1 && !(last && size < total) { 0 } else { i };
        }
        self.values[flat]
    }
}

/// Rounds to an element type.
fn rounded(dtype: DType, v: f64) -> f64 {
    match dtype {
        DType::F16 => qcc_tensor::f16::from_f64(v).to_f64(),
        DType::BF16 => qcc_tensor::bf16::from_f64(v).to_f64(),
        DType::F32 => f64::from(v as f32),
        _ => v,
    }
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (q, k, v) = (a.input(0)?, a.input(1)?, a.input(2)?);
    let s = sizes([q.ty(), k.ty(), v.ty()], [a.opt(4).map(Tensor::ty), a.opt(5).map(Tensor::ty)], a.attrs)?;
    let qs = s.q.unpacked(q);
    let ks = joined(a.opt(4), &s.k.unpacked(k), s.k, s.past);
    let vs = joined(a.opt(5), &s.v.unpacked(v), s.v, s.past);
    let mask = a.opt(3).map(Mask::new);
    let lengths = a.opt_ints(6)?;
    let dtype = q.dtype();
    let scale = a.attrs.float("scale").map_or_else(|| 1.0 / (s.q.size as f64).sqrt(), f64::from);
    // Both operands are scaled by its root, which the standard rounds.
    let root = rounded(dtype, scale.sqrt());
    let cap = f64::from(a.attrs.float("softcap").unwrap_or(0.0));
    let number = |name: &str| a.attrs.int(name).unwrap_or(-1);
    let (causal, left, right) = (number("is_causal") == 1, number("left_window_size"), number("right_window_size"));
    let mode = number("qk_matmul_output_mode");
    let group = s.q.heads / s.k.heads;
    let y_heads = Heads { size: s.v.size, ..s.q };
    let mut y = vec![0.0; s.q.batch * s.q.heads * s.q.steps * s.v.size];
    let mut shown = Vec::with_capacity(s.q.batch * s.q.heads * s.q.steps * s.total);
    for b in 0..s.q.batch {
        let offset = match &lengths {
            Some(lengths) => lengths[b] - s.q.steps as i64,
            None => s.past as i64,
        };
        for h in 0..s.q.heads {
            let kv = b * s.k.heads + h / group;
            for i in 0..s.q.steps {
                let query = &qs[((b * s.q.heads + h) * s.q.steps + i) * s.q.size..][..s.q.size];
                let position = i as i64 + offset;
                let allowed = |j: usize| {
                    let j = j as i64;
                    (!causal || j <= position)
                        && (left < 0 || position - j <= left)
                        && (right < 0 || j - position <= right)
                        && lengths.as_ref().is_none_or(|l| j < l[b])
                };
                let mut scores = Vec::with_capacity(s.total);
                let mut biases = Vec::with_capacity(s.total);
                for j in 0..s.total {
                    let key = &ks[(kv * s.total + j) * s.k.size..][..s.k.size];
                    let product =
                        query.iter().zip(key).map(|(q, k)| rounded(dtype, q * root) * rounded(dtype, k * root));
                    let score = rounded(dtype, product.sum());
                    let capped = if cap > 0.0 { rounded(dtype, cap * (score / cap).tanh()) } else { score };
                    let given = mask.as_ref().map_or(0.0, |m| m.at([b, h, i, j], s.total));
                    let bias = if allowed(j) { given } else { f64::NEG_INFINITY };
                    scores.push(if mode == 0 { score } else { capped });
                    biases.push((capped, bias));
                }
                let weights = softmax(&biases, dtype, a.attrs.dtype("softmax_precision"));
                match mode {
                    2 => shown.extend(biases.iter().map(|(s, b)| s + b)),
                    3 => shown.extend(&weights),
                    _ => shown.append(&mut scores),
                }
                let to = y_heads.at(b, h, i);
                for (j, w) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                    let value = &vs[(kv * s.total + j) * s.v.size..][..s.v.size];
                    value.iter().enumerate().for_each(|(d, v)| y[to + d] += w * v);
                }
            }
        }
    }
    let present = |h: Heads| [h.batch, h.heads, s.total, h.size];
    let mut out = vec![Tensor::from_f64(dtype, y_heads.shape(), &y)];
    if a.outputs > 1 {
        out.push(Tensor::from_f64(k.dtype(), present(s.k), &ks));
        out.push(Tensor::from_f64(v.dtype(), present(s.v), &vs));
        out.push(Tensor::from_f64(dtype, [s.q.batch, s.q.heads, s.q.steps, s.total], &shown));
    }
    out.truncate(a.outputs);
    Ok(out)
}

/// Weights of the keys from pairs of score and bias; zeros if no bias leaves a key.
fn softmax(scores: &[(f64, f64)], dtype: DType, precision: Option<DType>) -> Vec<f64> {
    if scores.iter().all(|(_, bias)| *bias == f64::NEG_INFINITY) {
        return vec![0.0; scores.len()];
    }
    let precision = precision.unwrap_or(dtype);
    let sums: Vec<f64> = scores.iter().map(|(s, b)| rounded(precision, rounded(dtype, s + b))).collect();
    let top = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = sums.iter().map(|v| (v - top).exp()).collect();
    let total: f64 = e.iter().sum();
    e.iter().map(|e| rounded(dtype, rounded(precision, e / total))).collect()
}
