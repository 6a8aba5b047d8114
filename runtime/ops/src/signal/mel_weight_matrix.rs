//! `MelWeightMatrix`.

use super::scalar;
use crate::shape::axes::checked_elements;
use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// Weights that bring the frequencies of a transform to bands of equal width in mel: `[frequencies, bands]`, a triangle for
/// each band.
pub static OP: OpDef = OpDef {
    name: "MelWeightMatrix",
    domain: "",
    doc: "Weights that bring frequencies to mel bands.",
    inputs: &[
        Param::one("num_mel_bins"),
        Param::one("dft_length"),
        Param::one("sample_rate"),
        Param::one("lower_edge_hertz"),
        Param::one("upper_edge_hertz"),
    ],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("output_datatype", AttrKind::Type, Default::Type(DType::F32))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let bands = scalar::known(a, 0, "the number of bands")?.unwrap_or(0);
    let length = scalar::known(a, 1, "the length of the transform")?.unwrap_or(0);
    let shape =
        [scalar::size(length, "the length of the transform")? / 2 + 1, scalar::size(bands, "the number of bands")?];
    checked_elements(&shape)?;
    if a.ty(2)?.elements() != 1 || a.ty(3)?.elements() != 1 || a.ty(4)?.elements() != 1 {
        return Err(OpError::invalid("the rate and the edges must be one number each"));
    }
    Ok(vec![TensorType::new(a.attrs.dtype("output_datatype").unwrap_or(DType::F32), shape)])
}

/// Hertz to mel, O'Shaughnessy's formula.
fn mel(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

fn hertz(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let size = |i: usize, what: &str| scalar::size(scalar::integer(a.input(i)?, what)?, what);
    let (bands, length) = (size(0, "the number of bands")?, size(1, "the length of the transform")?);
    let number = |i: usize| a.input(i).map(|t| t.to_f64_vec()[0]);
    let (rate, low, high) = (number(2)?, mel(number(3)?), mel(number(4)?));
    let frequencies = length / 2 + 1;
    let step = (high - low) / (bands + 2) as f64;
    let edges: Vec<f64> =
        (0..bands + 2).map(|i| ((length + 1) as f64 * hertz(i as f64 * step + low) / rate).floor()).collect();
    if let Some(edge) = edges.iter().find(|e| !(0.0..=frequencies as f64).contains(*e)) {
        return Err(OpError::invalid(format!("an edge of a band is frequency {edge} of {frequencies}")));
    }
    let mut weights = vec![0.0; frequencies * bands];
    for band in 0..bands {
        let (left, centre, right) = (edges[band] as usize, edges[band + 1] as usize, edges[band + 2] as usize);
        let mut set = |at: usize, v: f64| {
            if at < frequencies {
                weights[at * bands + band] = v;
            }
        };
        if centre <= left {
            set(centre, 1.0);
        } else {
            (left..=centre).for_each(|j| set(j, (j - left) as f64 / (centre - left) as f64));
        }
        if right > centre {
            (centre..right).for_each(|j| set(j, (right - j) as f64 / (right - centre) as f64));
        }
    }
    let dtype = a.attrs.dtype("output_datatype").unwrap_or(DType::F32);
    Ok(vec![Tensor::from_f64(dtype, [frequencies, bands], &weights)])
}
