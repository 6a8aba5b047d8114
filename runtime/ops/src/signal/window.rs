//! What windows share.

use super::scalar;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpError};
use qcc_tensor::{DType, Tensor, TensorType};

/// Attributes of a window.
pub(crate) const ATTRS: &[AttrDef] = &[
    AttrDef::new("output_datatype", AttrKind::Type, Default::Type(DType::F32)),
    AttrDef::new("periodic", AttrKind::Int, Default::Int(1)),
];

/// As many elements as the input says.
pub(crate) fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let size = scalar::known(a, 0, "the size of the window")?.unwrap_or(0);
    let dtype = a.attrs.dtype("output_datatype").unwrap_or(DType::F32);
    Ok(vec![TensorType::new(dtype, [scalar::size(size, "the size of a window")?])])
}

/// `sum c[k] cos(2 pi k n / (N - 1))`, with `N` instead of `N - 1` for periodic windows.
pub(crate) fn eval(a: &EvalArgs<'_>, coefficients: &[f64]) -> Result<Vec<Tensor>, OpError> {
    let size = scalar::size(scalar::integer(a.input(0)?, "the size of the window")?, "the size of a window")?;
    let periodic = a.attrs.int("periodic") != Some(0);
    let length = if periodic { size as f64 } else { size as f64 - 1.0 };
    let value = |n: usize| -> f64 {
        let turn = std::f64::consts::TAU * n as f64 / length;
        coefficients.iter().enumerate().map(|(k, c)| c * (turn * k as f64).cos()).sum()
    };
    let data: Vec<f64> = (0..size).map(value).collect();
    Ok(vec![Tensor::from_f64(a.attrs.dtype("output_datatype").unwrap_or(DType::F32), [size], &data)])
}

/// Defines `OP` of a window.
macro_rules! window {
    ($name:literal, $doc:literal, $coefficients:expr) => {
        /// The operator.
        pub static OP: crate::OpDef = crate::OpDef {
            name: $name,
            domain: "",
            doc: $doc,
            inputs: &[crate::Param::one("size")],
            outputs: &[crate::Param::one("output")],
            attrs: crate::signal::window::ATTRS,
            elementwise: false,
            infer: crate::signal::window::infer,
            eval: |a| crate::signal::window::eval(a, &$coefficients),
            macs: crate::def::no_macs,
        };
    };
}

pub(crate) use window;
