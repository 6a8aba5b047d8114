//! `IReduceSum`.

use super::over;
use crate::conv::{iconv, isum_pool};
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// `acc = sum (x - x_zero)` over axes, exact in i32.
pub static OP: OpDef = OpDef {
    name: "IReduceSum",
    domain: "qcc",
    doc: "Sum of 8-bit codes over axes into 32-bit accumulators.",
    inputs: &[Param::one("x"), Param::optional("x_zero_point")],
    outputs: &[Param::one("acc")],
    attrs: &[
        AttrDef::new("axes", AttrKind::Ints, Default::Required),
        AttrDef::new("keepdims", AttrKind::Int, Default::Int(1)),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    isum_pool::check(a)?;
    let x = a.ty(0)?;
    let axes = crate::shape::sorted_axes(a.attrs.ints("axes").unwrap_or(&[]), x.rank())?;
    a.attrs.set("axes", AttrValue::Ints(axes.iter().map(|&v| v as i64).collect()));
    let shape = over::reduced(&x.shape, &axes, a.attrs.int("keepdims") != Some(0));
    Ok(vec![TensorType { dtype: DType::I32, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let axes: Vec<usize> = a.attrs.ints("axes").unwrap_or(&[]).iter().map(|&v| v as usize).collect();
    let zero = iconv::zero_points(a.opt(1), 1)?[0];
    let data = iconv::codes(x);
    let mut out = Vec::new();
    over::groups(x.shape(), &axes, |group| out.push(group.map(|i| data[i] - zero).sum::<i32>()));
    Ok(vec![Tensor::new(over::reduced(x.shape(), &axes, a.attrs.int("keepdims") != Some(0)), out)])
}
