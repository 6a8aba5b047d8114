//! `IWinograd`.

use super::{iconv, window};
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{DType, Tensor, TensorType};

/// Rows and columns of a window, and of transformed taps.
const INPUTS: usize = 4;

/// Rows and columns of the outputs of a window.
const OUTPUTS: usize = 2;

/// Integer convolution with 3x3 taps at every pixel by Winograd's F(2x2, 3x3): for windows `d` of 4x4 pixels
///
/// ```text
/// acc = bias + A' (sum over channels of u * (B' (d - x_zero) B), element by element) A / 4
/// ```
///
/// rounded down, exact in i32 where the sums are; padding contributes zero. `u` is `[O, I, 4, 4]`, `(2G) g (2G)'` for taps `g`.
/// Then the quotient is integer, and the result that of `IConv`.
///
/// Source: A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", 2016.
pub static OP: OpDef = OpDef {
    name: "IWinograd",
    domain: "qcc",
    doc: "Integer convolution of 8-bit codes with transformed 3x3 taps.",
    inputs: &[Param::one("x"), Param::one("u"), Param::optional("x_zero_point"), Param::optional("bias")],
    outputs: &[Param::one("acc")],
    attrs: &[
        AttrDef::new("layout", AttrKind::Str, Default::Str("NCHW")),
        AttrDef::new("pads", AttrKind::Ints, Default::Computed),
    ],
    elementwise: false,
    infer,
    eval,
    macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (x, u) = (a.ty(0)?.clone(), a.ty(1)?.clone());
    window::check_activation(&x.shape, a.attrs)?;
    let last = window::channels_last(a.attrs);
    let (batch, channels, spatial) = window::split(&x.shape, last);
    if !matches!(x.dtype, DType::U8 | DType::I8) {
        return Err(OpError::invalid(format!("operand 0 must be 8-bit codes, got {x}")));
    }
    if u.dtype != DType::I16 || spatial.len() != 2 || u.shape.as_slice() != [u.shape[0], channels, INPUTS, INPUTS] {
        return Err(OpError::invalid(format!("the taps of {x} must be i16[O,{channels},{INPUTS},{INPUTS}], got {u}")));
    }
    if let Some(z) = a.opt_ty(2)
        && (z.dtype != x.dtype || z.elements() != 1)
    {
        return Err(OpError::invalid(format!("the zero-point of {x} is {z}")));
    }
    if let Some(b) = a.opt_ty(3)
        && (b.dtype != DType::I32 || b.shape.as_slice() != [u.shape[0]])
    {
        return Err(OpError::invalid(format!("the bias must be i32[{}], got {b}", u.shape[0])));
    }
    let pads = pads(a.attrs)?;
    a.attrs.set("pads", crate::AttrValue::Ints(pads.map(|p| p as i64).to_vec()));
    let shape = window::join(batch, u.shape[0], &outputs(spatial, pads)?, last);
    Ok(vec![TensorType { dtype: DType::I32, shape }])
}

/// Padding: top, left, bottom, right.
fn pads(attrs: &Attrs) -> Result<[usize; 4], OpError> {
    let list = attrs.ints("pads").unwrap_or(&[0; 4]);
    let small = list.iter().all(|p| (0..1 << 20).contains(p));
    let pads = list.iter().map(|&p| p as usize).collect::<Vec<_>>();
    <[usize; 4]>::try_from(pads)
        .ok()
        .filter(|_| small)
        .ok_or_else(|| OpError::invalid(format!("pads must be 4 numbers that are not negative, got {list:?}")))
}

fn outputs(spatial: &[usize], pads: [usize; 4]) -> Result<[usize; 2], OpError> {
    let size = |axis: usize| (spatial[axis] + pads[axis] + pads[axis + 2]).checked_sub(2).filter(|&size| size > 0);
    let none = || OpError::invalid(format!("a window of 3x3 does not fit {spatial:?} with pads {pads:?}"));
    Ok([size(0).ok_or_else(none)?, size(1).ok_or_else(none)?])
}

/// Multiply-accumulates of the convolution, as they are counted for other ones.
fn macs(inputs: &[Option<&TensorType>], outputs: &[TensorType], _: &Attrs) -> u64 {
    const TAPS: u64 = 9;
    let channels = inputs.get(1).copied().flatten().map_or(0, |u| u.shape[1] as u64);
    outputs.iter().map(|o| o.elements() as u64).sum::<u64>().saturating_mul(TAPS * channels)
}

/// `M' x M` for one of the matrices by which windows and sums are transformed, given its product with a line.
fn both<const N: usize>(x: [[i64; INPUTS]; INPUTS], line: impl Fn([i64; INPUTS]) -> [i64; N]) -> [[i64; N]; N] {
    let columns: [[i64; N]; INPUTS] = std::array::from_fn(|j| line(std::array::from_fn(|i| x[i][j])));
    std::array::from_fn(|i| line(std::array::from_fn(|j| columns[j][i])))
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, u) = (a.input(0)?, a.input(1)?);
    let last = window::channels_last(a.attrs);
    let (batch, channels, spatial) = window::split(x.shape(), last);
    let pads = pads(a.attrs)?;
    let [height, width] = outputs(spatial, pads)?;
    let count = u.shape()[0];
    let zero = iconv::zero_points(a.opt(2), 1)?[0];
    let bias = a.opt(3).map(|b| b.slice::<i32>());
    let (codes, taps) = (iconv::codes(x), u.slice::<i16>());
    let at = |n: usize, y: usize, x: usize, c: usize, [h, w]: [usize; 2], channels: usize| {
        if last { ((n * h + y) * w + x) * channels + c } else { ((n * channels + c) * h + y) * w + x }
    };
    let code = |n: usize, y: usize, x: usize, c: usize| {
        let (y, x) = (y.checked_sub(pads[0]), x.checked_sub(pads[1]));
        match (y.filter(|&y| y < spatial[0]), x.filter(|&x| x < spatial[1])) {
            (Some(y), Some(x)) => i64::from(codes[at(n, y, x, c, [spatial[0], spatial[1]], channels)] - zero),
            _ => 0,
        }
    };
    let shape = window::join(batch, count, &[height, width], last);
    let y = Tensor::build::<i32>(shape, |out| {
        for tile in 0..batch * height.div_ceil(OUTPUTS) * width.div_ceil(OUTPUTS) {
            let (rows, columns) = (height.div_ceil(OUTPUTS), width.div_ceil(OUTPUTS));
            let (n, top, left) = (tile / columns / rows, tile / columns % rows * OUTPUTS, tile % columns * OUTPUTS);
            let windows: Vec<[[i64; INPUTS]; INPUTS]> = (0..channels)
                .map(|c| {
                    let window = std::array::from_fn(|i| std::array::from_fn(|j| code(n, top + i, left + j, c)));
                    both(window, |d| [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]])
                })
                .collect();
            for o in 0..count {
                let mut sums = [[0i64; INPUTS]; INPUTS];
                for (c, window) in windows.iter().enumerate() {
                    let taps = &taps[(o * channels + c) * INPUTS * INPUTS..][..INPUTS * INPUTS];
                    for (i, sum) in sums.as_flattened_mut().iter_mut().enumerate() {
                        *sum += i64::from(taps[i]) * window.as_flattened()[i];
                    }
                }
                let four: [[i64; OUTPUTS]; OUTPUTS] = both(sums, |m| [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]);
                for (i, &four) in four.as_flattened().iter().enumerate() {
                    let (y, x) = (top + i / OUTPUTS, left + i % OUTPUTS);
                    if y < height && x < width {
                        let acc = bias.map_or(0, |b| b[o]).wrapping_add((four >> 2) as i32);
                        out[at(n, y, x, o, [height, width], count)] = acc;
                    }
                }
            }
        }
    });
    Ok(vec![y])
}
