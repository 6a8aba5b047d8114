//! `Conv`.

use super::window::{self, Window};
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{Element, Tensor, TensorType};

/// Attributes of `Conv` and `IConv`.
pub(crate) const ATTRS: &[AttrDef] = &[
    AttrDef::new("auto_pad", AttrKind::Str, Default::Absent),
    AttrDef::new("dilations", AttrKind::Ints, Default::Computed),
    AttrDef::new("group", AttrKind::Int, Default::Int(1)),
    AttrDef::new("kernel_shape", AttrKind::Ints, Default::Absent),
    AttrDef::new("layout", AttrKind::Str, Default::Str("NCHW")),
    AttrDef::new("pads", AttrKind::Ints, Default::Computed),
    AttrDef::new("strides", AttrKind::Ints, Default::Computed),
];

/// Convolution; weights `[O, I / group, kernel…]` in either layout of the activations. Products are summed in f64 and
/// rounded once.
pub static OP: OpDef = OpDef {
    name: "Conv",
    domain: "",
    doc: "Convolution of x with w, plus a bias per output channel.",
    inputs: &[Param::one("x"), Param::one("w"), Param::optional("b")],
    outputs: &[Param::one("y")],
    attrs: ATTRS,
    elementwise: false,
    infer,
    eval,
    macs,
};

/// Shape of the result; canonical attributes. Shared with `IConv`.
pub(crate) fn infer_shape(a: &mut InferArgs<'_>, bias: usize) -> Result<qcc_tensor::Shape, OpError> {
    let (x, w) = (a.ty(0)?.clone(), a.ty(1)?.clone());
    window::check_activation(&x.shape, a.attrs)?;
    let last = window::channels_last(a.attrs);
    let (batch, channels, spatial) = window::split(&x.shape, last);
    if w.rank() != x.rank() {
        return Err(OpError::invalid(format!("the input has {} axes, the weights {}", x.rank(), w.rank())));
    }
    let kernel = w.shape[2..].to_vec();
    if let Some(crate::AttrValue::Ints(given)) = a.attrs.remove("kernel_shape")
        && given.iter().map(|&v| v as usize).ne(kernel.iter().copied())
    {
        return Err(OpError::invalid(format!("kernel_shape is {given:?}, the weights are {w}")));
    }
    let group = a.attrs.int("group").unwrap_or(1);
    let group =
        usize::try_from(group).ok().filter(|&g| g > 0).ok_or_else(|| OpError::invalid("group must be positive"))?;
    if kernel.contains(&0) || w.shape[1].checked_mul(group) != Some(channels) || w.shape[0] % group != 0 {
        let message = format!("weights {w} do not fit an input of {channels} channels in {group} groups");
        return Err(OpError::invalid(message));
    }
    if let Some(b) = a.opt_ty(bias)
        && b.shape.as_slice() != [w.shape[0]]
    {
        return Err(OpError::invalid(format!("the bias must have {} elements, got {b}", w.shape[0])));
    }
    let window = Window::canonicalise(a, kernel, spatial)?;
    let out = window.outputs(spatial, false)?;
    Ok(window::join(batch, w.shape[0], &out, last))
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let shape = infer_shape(a, 2)?;
    let (x, w) = (a.ty(0)?, a.ty(1)?);
    if !x.dtype.is_float() || x.dtype != w.dtype || a.opt_ty(2).is_some_and(|b| b.dtype != x.dtype) {
        return Err(OpError::invalid(format!("input, weights and bias must have one float type, got {x} and {w}")));
    }
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

/// Multiply-accumulates of a convolution.
pub(crate) fn macs(inputs: &[Option<&TensorType>], outputs: &[TensorType], _: &Attrs) -> u64 {
    let per_output: usize = inputs.get(1).copied().flatten().map_or(0, |w| w.shape[1..].iter().product());
    outputs.iter().map(|o| o.elements() as u64).sum::<u64>().saturating_mul(per_output as u64)
}

/// Convolves `x` (as `[n, c, spatial…]` rows of `A`) with `w`, starting every sum at `start(channel)`.
pub(crate) fn convolve<X: Copy, W: Copy, A: Copy>(
    x: (&[X], &[usize]),
    w: (&[W], &[usize]),
    attrs: &Attrs,
    start: impl Fn(usize) -> A,
    mac: impl Fn(A, X, W, usize) -> A,
    mut store: impl FnMut(usize, A),
) -> Result<(), OpError> {
    let last = window::channels_last(attrs);
    let (batch, channels, spatial) = window::split(x.1, last);
    let window = Window::read(attrs, w.1[2..].to_vec())?;
    let out = window.outputs(spatial, false)?;
    let group = attrs.int("group").unwrap_or(1) as usize;
    let (outputs, depth) = (w.1[0], w.1[1]);
    let (pixels, taps): (usize, usize) = (spatial.iter().product(), w.1[2..].iter().product());
    let out_pixels: usize = out.iter().product();
    let per_group = outputs / group;
    // Elements between pixels and between channels.
    let (pixel_stride, channel_stride) = if last { (channels, 1) } else { (1, pixels) };
    let mut inside: Vec<(usize, usize)> = Vec::with_capacity(taps);
    for n in 0..batch {
        let mut p = 0;
        crate::index::each_index(&out, |at| {
            inside.clear();
            window.each_tap(at, spatial, &mut |position, tap| inside.push((position, tap)));
            for o in 0..outputs {
                let first = o / per_group * depth;
                let mut acc = start(o);
                for &(position, tap) in &inside {
                    let base = n * pixels * channels + position * pixel_stride + first * channel_stride;
                    let weights = o * depth * taps + tap;
                    for c in 0..depth {
                        acc = mac(acc, x.0[base + c * channel_stride], w.0[weights + c * taps], o);
                    }
                }
                let index = if last { (n * out_pixels + p) * outputs + o } else { (n * outputs + o) * out_pixels + p };
                store(index, acc);
            }
            p += 1;
        });
    }
    Ok(())
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    crate::numeric::dispatch!(floats a.input(0)?.dtype(), T => eval_as::<T>(a), "Conv")
}

fn eval_as<T: Element>(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, w) = (a.input(0)?, a.input(1)?);
    let last = window::channels_last(a.attrs);
    let (batch, _, spatial) = window::split(x.shape(), last);
    let window = Window::read(a.attrs, w.shape()[2..].to_vec())?;
    let shape = window::join(batch, w.shape()[0], &window.outputs(spatial, false)?, last);
    let bias = a.opt(2).map(|b| b.slice::<T>());
    let mut failed = Ok(());
    let y = Tensor::build::<T>(shape, |y| {
        failed = convolve(
            (x.slice::<T>(), x.shape()),
            (w.slice::<T>(), w.shape()),
            a.attrs,
            |o| bias.map_or(0.0, |b| b[o].to_f64()),
            |acc: f64, x, w, _| acc + x.to_f64() * w.to_f64(),
            |i, acc| y[i] = T::from_f64(acc),
        );
    });
    failed.map(|()| vec![y])
}
