//! `Unique`.

use super::{axes::axis, moved::moved};
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Shape, Tensor, TensorType};
use std::cmp::Ordering;

/// The different slices along an axis (or, without one, the different elements), with the position of the first of each,
/// which of them every slice is, and how often each occurs. Sorted, or in the order of their first occurrence.
pub static OP: OpDef = OpDef {
    name: "Unique",
    domain: "",
    doc: "The different slices along an axis.",
    inputs: &[Param::one("x")],
    outputs: &[
        Param::one("y"),
        Param::optional("indices"),
        Param::optional("inverse_indices"),
        Param::optional("counts"),
    ],
    attrs: &[
        AttrDef::new("axis", AttrKind::Int, Default::Absent),
        AttrDef::new("sorted", AttrKind::Int, Default::Int(1)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

/// Slices to be compared: `[outer, count, inner]` of the data.
struct Slices {
    outer: usize,
    count: usize,
    inner: usize,
}

impl Slices {
    fn new(shape: &[usize], axis: Option<i64>) -> Slices {
        match axis {
            None => Slices { outer: 1, count: shape.iter().product(), inner: 1 },
            Some(a) => {
                let a = a as usize;
                Slices { outer: shape[..a].iter().product(), count: shape[a], inner: shape[a + 1..].iter().product() }
            }
        }
    }

    /// Flat positions of a slice.
    fn members(&self, slice: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.outer).flat_map(move |o| (0..self.inner).map(move |i| (o * self.count + slice) * self.inner + i))
    }
}

/// Which slices differ.
struct Groups {
    /// First slice of each group.
    first: Vec<usize>,
    /// Group of each slice.
    group: Vec<usize>,
}

fn groups(x: &Tensor, slices: &Slices, sorted: bool) -> Groups {
    // Wide integers do not fit a float.
    let wide = x.to_i64_vec();
    let values = if wide.is_none() { x.to_f64_vec() } else { Vec::new() };
    let compare = |p: usize, q: usize| match &wide {
        Some(wide) => wide[p].cmp(&wide[q]),
        None => values[p].partial_cmp(&values[q]).unwrap_or_else(|| values[p].is_nan().cmp(&values[q].is_nan())),
    };
    let order = |a: usize, b: usize| {
        let pairs = slices.members(a).zip(slices.members(b));
        pairs.map(|(p, q)| compare(p, q)).find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal)
    };
    let mut by_value: Vec<usize> = (0..slices.count).collect();
    by_value.sort_by(|&a, &b| order(a, b));
    let mut first: Vec<usize> = Vec::new();
    let mut group = vec![0; slices.count];
    for &slice in &by_value {
        match first.last() {
            Some(&last) if order(last, slice) == Ordering::Equal => {}
            _ => first.push(slice),
        }
        group[slice] = first.len() - 1;
    }
    if !sorted {
        let mut rank: Vec<usize> = (0..first.len()).collect();
        rank.sort_by_key(|&g| first[g]);
        let mut renamed = vec![0; first.len()];
        rank.iter().enumerate().for_each(|(new, &old)| renamed[old] = new);
        group.iter_mut().for_each(|g| *g = renamed[*g]);
        first.sort_unstable();
    }
    Groups { first, group }
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    if let Some(value) = a.attrs.int("axis") {
        let along = axis(value, x.rank())?;
        a.attrs.set("axis", AttrValue::Int(along as i64));
    }
    let value = a.value(0).ok_or_else(|| OpError::dynamic("how many elements differ depends on the data"))?;
    let slices = Slices::new(&x.shape, a.attrs.int("axis"));
    let count = groups(value, &slices, true).first.len();
    let list = |n: usize| TensorType::new(DType::I64, [n]);
    let mut types = vec![TensorType { dtype: x.dtype, shape: shape(&x.shape, a.attrs.int("axis"), count) }];
    types.extend([list(count), list(slices.count), list(count)]);
    types.truncate(a.outputs);
    Ok(types)
}

fn shape(x: &[usize], axis: Option<i64>, count: usize) -> Shape {
    let mut shape: Shape = x.iter().copied().collect();
    match axis {
        Some(axis) => shape[axis as usize] = count,
        None => shape = [count].into_iter().collect(),
    }
    shape
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let slices = Slices::new(x.shape(), a.attrs.int("axis"));
    let Groups { first, group } = groups(x, &slices, a.attrs.int("sorted") != Some(0));
    let mut sources = Vec::with_capacity(first.len() * slices.outer * slices.inner);
    for o in 0..slices.outer {
        for &slice in &first {
            sources.extend((0..slices.inner).map(|i| (o * slices.count + slice) * slices.inner + i));
        }
    }
    let mut counts = vec![0i64; first.len()];
    group.iter().for_each(|&g| counts[g] += 1);
    let list = |v: Vec<i64>| Tensor::new([v.len()], v);
    let y = moved(x, shape(x.shape(), a.attrs.int("axis"), first.len()), sources.into_iter());
    let mut out = vec![y, list(first.iter().map(|&i| i as i64).collect())];
    out.extend([list(group.iter().map(|&g| g as i64).collect()), list(counts)]);
    out.truncate(a.outputs);
    Ok(out)
}
