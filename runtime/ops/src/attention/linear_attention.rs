//! `LinearAttention`.

use super::heads::Heads;
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Tensor, TensorType};

/// Attention without softmax: a matrix of state for each head takes in every key and value and is read by the query.
///
/// ```text
/// state = exp(decay) * state                                  gated, gated_delta
/// v'    = beta * (v - state^T k)                              delta, gated_delta; else v
/// state = state + k v'^T
/// y     = scale * state^T q
/// ```
pub static OP: OpDef = OpDef {
    name: "LinearAttention",
    domain: "",
    doc: "Attention by a state that every key and value is added to.",
    inputs: &[
        Param::one("query"),
        Param::one("key"),
        Param::one("value"),
        Param::optional("past_state"),
        Param::optional("decay"),
        Param::optional("beta"),
    ],
    outputs: &[Param::one("output"), Param::one("present_state")],
    attrs: &[
        AttrDef::new("chunk_size", AttrKind::Int, Default::Int(64)),
        AttrDef::new("kv_num_heads", AttrKind::Int, Default::Required),
        AttrDef::new("q_num_heads", AttrKind::Int, Default::Required),
        AttrDef::new("scale", AttrKind::Float, Default::Float(0.0)),
        AttrDef::new("update_rule", AttrKind::Str, Default::Str("gated_delta")),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn sizes(types: [&TensorType; 3], attrs: &Attrs) -> Result<[Heads; 3], OpError> {
    let (qn, kn) = (attrs.int("q_num_heads"), attrs.int("kv_num_heads"));
    let (q, k, v) = (Heads::new(types[0], qn)?, Heads::new(types[1], kn)?, Heads::new(types[2], kn)?);
    let same_steps = |a: Heads, b: Heads| a.batch == b.batch && a.steps == b.steps;
    let fits = q.packed && k.packed && v.packed && same_steps(q, k) && same_steps(k, v) && q.size == k.size;
    if !fits || q.heads % k.heads != 0 {
        return Err(OpError::invalid(format!(
            "queries {}, keys {} and values {} do not fit",
            types[0], types[1], types[2]
        )));
    }
    Ok([q, k, v])
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let types = [a.ty(0)?, a.ty(1)?, a.ty(2)?];
    let [q, k, v] = sizes(types, a.attrs)?;
    if types.iter().any(|t| t.dtype != types[0].dtype) || !types[0].dtype.is_float() {
        return Err(OpError::invalid("queries, keys and values must be of one float type"));
    }
    let rule = a.attrs.str("update_rule").unwrap_or("");
    let (gated, delta) = (matches!(rule, "gated" | "gated_delta"), matches!(rule, "delta" | "gated_delta"));
    if !gated && !delta && rule != "linear" {
        return Err(OpError::invalid(format!("unknown update_rule `{rule}`")));
    }
    if gated != a.opt_ty(4).is_some() || delta != a.opt_ty(5).is_some() {
        return Err(OpError::invalid(format!("update_rule `{rule}` and the inputs decay and beta do not fit")));
    }
    let widths = [[k.heads, k.heads * k.size], [k.heads, 1]];
    for (i, widths) in [4, 5].into_iter().zip(widths) {
        if let Some(t) = a.opt_ty(i)
            && !widths.iter().any(|&w| t.shape[..] == [k.batch, k.steps, w])
        {
            return Err(OpError::invalid(format!("decay or beta of keys {} is {t}", types[1])));
        }
    }
    let state = [q.batch, k.heads, k.size, v.size];
    let dtype = match a.opt_ty(3) {
        Some(past) if past.shape[..] != state => {
            return Err(OpError::invalid(format!("the state must have the shape {state:?}, got {past}")));
        }
        Some(past) => past.dtype,
        None => types[0].dtype,
    };
    let y = Heads { size: v.size, ..q };
    let mut out = vec![TensorType::new(types[0].dtype, y.shape()), TensorType::new(dtype, state)];
    out.truncate(a.outputs);
    Ok(out)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let inputs = [a.input(0)?, a.input(1)?, a.input(2)?];
    let [q, k, v] = sizes(inputs.map(Tensor::ty), a.attrs)?;
    let [qs, ks, vs] = inputs.map(Tensor::to_f64_vec);
    let scale = match a.attrs.float("scale").unwrap_or(0.0) {
        0.0 => 1.0 / (q.size as f64).sqrt(),
        s => f64::from(s),
    };
    let (decay, beta) = (a.opt(4).map(Tensor::to_f64_vec), a.opt(5).map(Tensor::to_f64_vec));
    let width = |i: usize| a.opt(i).map_or(0, |t| t.shape()[2]);
    let (decay_width, beta_width) = (width(4), width(5));
    let cells = k.size * v.size;
    let mut state = a.opt(3).map_or_else(|| vec![0.0; q.batch * k.heads * cells], Tensor::to_f64_vec);
    let y_heads = Heads { size: v.size, ..q };
    let mut y = vec![0.0; q.batch * q.steps * q.heads * v.size];
    let group = q.heads / k.heads;
    for b in 0..q.batch {
        for t in 0..q.steps {
            for h in 0..k.heads {
                let state = &mut state[(b * k.heads + h) * cells..][..cells];
                let key = &ks[k.at(b, h, t)..][..k.size];
                let mut value = vs[v.at(b, h, t)..][..v.size].to_vec();
                if let Some(decay) = &decay {
                    let row = &decay[(b * k.steps + t) * decay_width..][..decay_width];
                    for d in 0..k.size {
                        let g = if decay_width == k.heads { row[h] } else { row[h * k.size + d] }.exp();
                        state[d * v.size..][..v.size].iter_mut().for_each(|s| *s *= g);
                    }
                }
                if let Some(beta) = &beta {
                    let rate = beta[(b * k.steps + t) * beta_width + if beta_width == 1 { 0 } else { h }];
                    for (m, x) in value.iter_mut().enumerate() {
                        let known: f64 = key.iter().enumerate().map(|(d, k)| state[d * v.size + m] * k).sum();
                        *x = rate * (*x - known);
                    }
                }
                for (d, key) in key.iter().enumerate() {
                    state[d * v.size..][..v.size].iter_mut().zip(&value).for_each(|(s, x)| *s += key * x);
                }
                for head in h * group..(h + 1) * group {
                    let query = &qs[q.at(b, head, t)..][..q.size];
                    let to = y_heads.at(b, head, t);
                    for m in 0..v.size {
                        let sum: f64 = query.iter().enumerate().map(|(d, q)| q * state[d * v.size + m]).sum();
                        y[to + m] = scale * sum;
                    }
                }
            }
        }
    }
    let dtype = inputs[0].dtype();
    let kept = a.opt(3).map_or(dtype, Tensor::dtype);
    let mut out = vec![
        Tensor::from_f64(dtype, y_heads.shape(), &y),
        Tensor::from_f64(kept, [q.batch, k.heads, k.size, v.size], &state),
    ];
    out.truncate(a.outputs);
    Ok(out)
}
