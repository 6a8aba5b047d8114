//! `Col2Im`.

use super::window::Window;
use crate::index::each_index;
use crate::numeric::dispatch;
use crate::shape::axes::checked_elements;
use crate::{AttrDef, AttrKind, AttrValue, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{Element, Shape, Tensor, TensorType};

/// Blocks, one in each column, added up to an image at the places where a window would have found them.
pub static OP: OpDef = OpDef {
    name: "Col2Im",
    domain: "",
    doc: "Blocks in columns added up to an image.",
    inputs: &[Param::one("input"), Param::one("image_shape"), Param::one("block_shape")],
    outputs: &[Param::one("output")],
    attrs: &[
        AttrDef::new("dilations", AttrKind::Ints, Default::Computed),
        AttrDef::new("pads", AttrKind::Ints, Default::Computed),
        AttrDef::new("strides", AttrKind::Ints, Default::Computed),
    ],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn sizes(list: &[i64], what: &str) -> Result<Vec<usize>, OpError> {
    let sizes: Option<Vec<usize>> =
        list.iter().map(|&v| usize::try_from(v).ok().filter(|&v| (1..1 << 20).contains(&v))).collect();
    sizes.filter(|s| !s.is_empty()).ok_or_else(|| OpError::invalid(format!("{what} must be positive, got {list:?}")))
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?.clone();
    let image = sizes(&a.ints(1, "the image's shape")?.unwrap_or_default(), "the image's shape")?;
    let block = sizes(&a.ints(2, "the block's shape")?.unwrap_or_default(), "the block's shape")?;
    let axes = image.len();
    for (name, count, default) in [("strides", axes, 1), ("dilations", axes, 1), ("pads", 2 * axes, 0)] {
        if a.attrs.get(name).is_none() {
            a.attrs.set(name, AttrValue::Ints(vec![default; count]));
        }
    }
    if block.len() != axes {
        return Err(OpError::invalid(format!("an image of {axes} axes, a block of {}", block.len())));
    }
    let window = Window::read(a.attrs, block.clone())?;
    let positions: usize = window.outputs(&image, false)?.iter().product();
    let size: usize = block.iter().product();
    let fits = x.rank() == 3 && x.shape[1] % size == 0 && x.shape[2] == positions && x.dtype.is_float();
    if !fits {
        return Err(OpError::invalid(format!("expected columns [n, c * {size}, {positions}] of floats, got {x}")));
    }
    let shape: Shape = [x.shape[0], x.shape[1] / size].into_iter().chain(image).collect();
    checked_elements(&shape)?;
    Ok(vec![TensorType { dtype: x.dtype, shape }])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let x = a.input(0)?;
    let ints = |i: usize| a.input(i).map(|t| t.to_i64_vec().unwrap_or_default());
    let (image, block) = (sizes(&ints(1)?, "the image's shape")?, sizes(&ints(2)?, "the block's shape")?);
    let window = Window::read(a.attrs, block.clone())?;
    let out = window.outputs(&image, false)?;
    let (size, pixels): (usize, usize) = (block.iter().product(), image.iter().product());
    let positions: usize = out.iter().product();
    let planes = x.shape()[0] * (x.shape()[1] / size);
    let shape = [x.shape()[0], x.shape()[1] / size].into_iter().chain(image.iter().copied());
    dispatch!(floats x.dtype(), T => {
        let data = x.slice::<T>();
        let mut acc = vec![0.0f64; planes * pixels];
        let mut p = 0;
        each_index(&out, |at| {
            window.each_tap(at, &image, &mut |pixel, tap| {
                for plane in 0..planes {
                    acc[plane * pixels + pixel] += data[(plane * size + tap) * positions + p].to_f64();
                }
            });
            p += 1;
        });
        Ok(vec![Tensor::new(shape, acc.into_iter().map(T::from_f64).collect())])
    }, "Col2Im")
}
