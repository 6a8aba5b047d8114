//! Which elements go into which result.

use crate::index::each_index;
use crate::numeric::dispatch;
use crate::{EvalArgs, InferArgs, OpError};
use qcc_tensor::{Element, Shape, Tensor, TensorType, row_major_strides};

fn resolve(rank: usize, given: Option<Vec<i64>>, noop: bool) -> Result<Vec<usize>, OpError> {
    match given {
        Some(list) if !list.is_empty() => crate::shape::sorted_axes(&list, rank),
        _ if noop => Ok(Vec::new()),
        _ => Ok((0..rank).collect()),
    }
}

/// Shape after reducing `axes`.
pub(crate) fn reduced(shape: &[usize], axes: &[usize], keep: bool) -> Shape {
    (0..shape.len())
        .filter(|i| keep || !axes.contains(i))
        .map(|i| if axes.contains(&i) { 1 } else { shape[i] })
        .collect()
}

/// Groups of flat input indices, one per result element in row-major order.
pub(crate) fn groups(shape: &[usize], axes: &[usize], mut f: impl FnMut(&mut dyn Iterator<Item = usize>)) {
    let strides = row_major_strides(shape);
    let inner: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
    let mut offsets = Vec::new();
    each_index(&inner, |i| offsets.push(i.iter().zip(axes).map(|(i, &a)| i * strides[a]).sum::<usize>()));
    let outer: Shape = reduced(shape, axes, true);
    each_index(&outer, |i| {
        let base: usize = i.iter().zip(&strides).map(|(i, s)| i * s).sum();
        f(&mut offsets.iter().map(|o| base + o));
    });
}

/// Type of a reduction with axes as the second input.
pub(crate) fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let noop = a.attrs.int("noop_with_empty_axes") == Some(1);
    let axes = resolve(x.rank(), a.ints(1, "the list of axes")?, noop)?;
    Ok(vec![TensorType { dtype: x.dtype, shape: reduced(&x.shape, &axes, a.attrs.int("keepdims") != Some(0)) }])
}

/// Reduces every group of values, in f64 (i64 values beyond 2^53 are refused).
pub(crate) fn eval(a: &EvalArgs<'_>, f: impl Fn(&mut dyn Iterator<Item = f64>) -> f64) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let noop = a.attrs.int("noop_with_empty_axes") == Some(1);
    let axes = resolve(x.rank(), a.opt(1).and_then(Tensor::to_i64_vec), noop)?;
    let shape = reduced(x.shape(), &axes, a.attrs.int("keepdims") != Some(0));
    dispatch!(all x.dtype(), T => {
        let data = x.slice::<T>();
        if x.dtype().size() == 8 && x.dtype().is_int() && data.iter().any(|v| v.to_f64().abs() > 9e15) {
            return Err(OpError::unsupported("a reduction of 64-bit integers beyond 2^53"));
        }
        let mut out = Vec::new();
        // The largest of no bools is false, though the largest of no numbers is below all of them.
        let within = |v: f64| if x.dtype() == qcc_tensor::DType::Bool { v.max(0.0) } else { v };
        groups(x.shape(), &axes, |group| out.push(T::from_f64(within(f(&mut group.map(|i| data[i].to_f64()))))));
        Ok(vec![Tensor::new(shape, out)])
    }, "a reduction")
}

/// Defines `OP` of a reduction.
macro_rules! reduction {
    ($name:literal, $doc:literal, |$values:ident| $value:expr) => {
        /// The operator.
        pub static OP: crate::OpDef = crate::OpDef {
            name: $name,
            domain: "",
            doc: $doc,
            inputs: &[crate::Param::one("data"), crate::Param::optional("axes")],
            outputs: &[crate::Param::one("reduced")],
            attrs: &[
                crate::AttrDef::new("keepdims", crate::AttrKind::Int, crate::Default::Int(1)),
                crate::AttrDef::new("noop_with_empty_axes", crate::AttrKind::Int, crate::Default::Int(0)),
            ],
            elementwise: false,
            infer: crate::reduce::over::infer,
            eval: |a| crate::reduce::over::eval(a, |$values| $value),
            macs: crate::def::no_macs,
        };
    };
}

pub(crate) use reduction;
