//! Convolution as an implicit matrix product: [`super::tile`]s over all taps of all channels of a group.

use qcc_kernel::{KernelBuilder, Value, Width};

use super::conv::{ConvSpec, Target};
use super::pack::{Halves, Taps, Unit, pack, panels};
use super::tile::{Tile, accumulate, pixels_for};
use super::walk::{self, Core, Cursor, LANES, Panel, Pixels};
use super::{Generated, grouped};

/// The kernel of any convolution.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(spec: &ConvSpec, target: Target) -> Result<Generated, String> {
    let taps = Taps::of(spec);
    let signed = spec.has_signed_bytes();
    let bytes = spec.input.elem.bytes() == 1;
    let unit = if target.dot4 && signed && bytes { Unit::Quad } else { Unit::Pair };
    let apart = unit == Unit::Pair && loads_pairs(spec, target.width);
    let halves = if apart { Halves::FewChannels } else { Halves::ChannelsOrPixels };
    let panels = panels(spec, target.width, halves);
    let narrow = apart && signed && bytes && spec.has_few_pixels();
    if unit == Unit::Pair
        && signed
        && bytes
        && !(narrow && is_one_tile(spec, &panels[0]))
        && let Some(generated) = grouped::generate(spec, &taps, target.width)
    {
        return generated;
    }
    let weight_bytes = if unit == Unit::Quad || narrow { 1 } else { 2 };
    let (panels, constants) = pack(spec, &taps, unit, weight_bytes, panels);
    let product = Product { spec, taps, unit, apart, staged: apart && bytes, weight_bytes };
    walk::generate(spec, &product, &panels, constants, target.width)
}

struct Product<'s> {
    spec: &'s ConvSpec,
    taps: Taps,
    unit: Unit,
    /// Whether pairs are loaded from memory into every lane, for registers of channels.
    apart: bool,
    staged: bool,
    weight_bytes: usize,
}

/// Whether weights are read once: their bytes take longer to come than any way to multiply them.
fn is_one_tile(spec: &ConvSpec, panel: &Panel) -> bool {
    spec.pixels() <= pixels_for(Unit::Pair, panel, true)
}

/// Whether pairs of 16-bit codes are loaded for registers of channels: where registers are wide, if enough channels use them.
/// Codes of 8 bits are copied for that before they are multiplied, if little else lies between them.
fn loads_pairs(spec: &ConvSpec, width: Width) -> bool {
    let sparse = spec.input.elem.bytes() == 1 && spec.input.pitch > 2 * spec.input.c;
    let few = spec.output.c <= LANES || sparse;
    width == Width::V256 && spec.group == 1 && !few
}

impl Core for Product<'_> {
    fn pixels(&self, panel: &Panel) -> usize {
        pixels_for(self.unit, panel, self.apart)
    }

    fn is_staged(&self) -> bool {
        self.staged
    }

    fn accumulate(&self, b: &mut KernelBuilder, panel: &Panel, pixels: Pixels, x: Cursor, w: Cursor) -> Vec<Value> {
        let &Product { spec, taps, unit, staged, weight_bytes, .. } = self;
        let pixel_step = (spec.input.pixel_stride() * spec.strides[1]) as i64;
        let elem = spec.input.elem;
        accumulate(b, &Tile { taps, unit, elem, staged, weight_bytes, pixel_step, panel, pixels }, x, w)
    }
}
