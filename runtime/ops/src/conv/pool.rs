//! What pools share.

use super::window::{self, Window};
use crate::{AttrDef, AttrKind, Attrs, Default, InferArgs, OpError};
use qcc_tensor::{Shape, TensorType};

/// Attributes that all pools have.
pub(crate) const ATTRS: &[AttrDef] = &[
    AttrDef::new("auto_pad", AttrKind::Str, Default::Absent),
    AttrDef::new("ceil_mode", AttrKind::Int, Default::Int(0)),
    AttrDef::new("dilations", AttrKind::Ints, Default::Computed),
    AttrDef::new("kernel_shape", AttrKind::Ints, Default::Required),
    AttrDef::new("layout", AttrKind::Str, Default::Str("NCHW")),
    AttrDef::new("pads", AttrKind::Ints, Default::Computed),
    AttrDef::new("strides", AttrKind::Ints, Default::Computed),
];

fn kernel(attrs: &Attrs) -> Result<Vec<usize>, OpError> {
    let list = attrs.ints("kernel_shape").unwrap_or(&[]);
    if list.is_empty() || list.iter().any(|&k| !(1..1 << 20).contains(&k)) {
        return Err(OpError::invalid(format!("kernel_shape must be positive numbers, got {list:?}")));
    }
    Ok(list.iter().map(|&k| k as usize).collect())
}

/// Shape of the result; canonical attributes.
pub(crate) fn infer_shape(a: &mut InferArgs<'_>) -> Result<Shape, OpError> {
    let x = a.ty(0)?.clone();
    window::check_activation(&x.shape, a.attrs)?;
    let last = window::channels_last(a.attrs);
    let (batch, channels, spatial) = window::split(&x.shape, last);
    let window = Window::canonicalise(a, kernel(a.attrs)?, spatial)?;
    let out = window.outputs(spatial, a.attrs.int("ceil_mode") == Some(1))?;
    Ok(window::join(batch, channels, &out, last))
}

/// Calls `f(output index, input indices)` for every window; indices are flat.
pub(crate) fn each_window(
    ty: &TensorType,
    attrs: &Attrs,
    mut f: impl FnMut(usize, &[usize], &Window, &[usize]),
) -> Result<Shape, OpError> {
    let last = window::channels_last(attrs);
    let (batch, channels, spatial) = window::split(&ty.shape, last);
    let window = Window::read(attrs, kernel(attrs)?)?;
    let out = window.outputs(spatial, attrs.int("ceil_mode") == Some(1))?;
    let (pixels, out_pixels): (usize, usize) = (spatial.iter().product(), out.iter().product());
    let mut inside = Vec::new();
    let mut indices = Vec::new();
    for n in 0..batch {
        let mut p = 0;
        crate::index::each_index(&out, |at| {
            inside.clear();
            window.each_tap(at, spatial, &mut |position, _| inside.push(position));
            for c in 0..channels {
                let (base, step) =
                    if last { (n * pixels * channels + c, channels) } else { ((n * channels + c) * pixels, 1) };
                indices.clear();
                indices.extend(inside.iter().map(|&q| base + q * step));
                let o = if last { (n * out_pixels + p) * channels + c } else { (n * channels + c) * out_pixels + p };
                f(o, &indices, &window, at);
            }
            p += 1;
        });
    }
    Ok(window::join(batch, channels, &out, last))
}
