//! Convolution as an implicit matrix product: [`super::tile`]s over all taps of all channels of a group.

use qcc_kernel::{KernelBuilder, Value};

use super::conv::{ConvSpec, Target};
use super::pack::{Taps, Unit, pack};
use super::tile::{Tile, accumulate, pixels_for};
use super::walk::{self, Core, Cursor, Panel, Pixels};
use super::{Generated, grouped};

/// The kernel of any convolution.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(spec: &ConvSpec, target: Target) -> Result<Generated, String> {
    let taps = Taps::of(spec);
    let signed = spec.has_signed_bytes();
    let unit = if target.dot4 && signed { Unit::Quad } else { Unit::Pair };
    if unit == Unit::Pair
        && signed
        && let Some(generated) = grouped::generate(spec, &taps, target.width)
    {
        return generated;
    }
    let (panels, constants) = pack(spec, &taps, unit, target.width);
    walk::generate(spec, &Product { spec, taps, unit }, &panels, constants, target.width)
}

struct Product<'s> {
    spec: &'s ConvSpec,
    taps: Taps,
    unit: Unit,
}

impl Core for Product<'_> {
    fn pixels(&self, panel: &Panel) -> usize {
        pixels_for(self.unit, panel)
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let pixel_step = (self.spec.input.pixel_stride() * self.spec.strides[1]) as i64;
        let (taps, unit, elem) = (self.taps, self.unit, self.spec.input.elem);
        accumulate(b, &Tile { taps, unit, elem, pixel_step, panel, pixels }, x, w)
    }
}
