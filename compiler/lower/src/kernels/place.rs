//! Where the elements of a result are: in the output and in each tensor of the body.

use qcc_kernel::{Addr, KernelBuilder, Value};

use super::body::{Body, Operand};
use super::emit::{Emitter, Source};
use super::layout::{Halo, TensorLayout};

/// Coordinates of a tile's first element, as scalars; `None` is zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct At {
    /// Image.
    pub n: Option<Value>,
    /// Row.
    pub y: Option<Value>,
    /// Column.
    pub x: Option<Value>,
    /// Channel.
    pub c: Option<Value>,
}

/// The addresses of one element of the result: in the output and in each tensor of the body.
#[derive(Clone, Debug)]
pub struct Place {
    /// In the output.
    pub output: Addr,
    pub(super) tensors: Vec<Addr>,
    /// Offset into arrays of four-byte channel constants.
    pub(super) channel: Option<Value>,
}

impl Emitter<'_> {
    /// The addresses of element `at` of the result.
    pub fn place(&self, b: &mut KernelBuilder, at: At) -> Place {
        let origin =
            |buf, layout: &TensorLayout| Addr { buf, index: None, offset: layout.offset(0, 0) as i64, high: None };
        let tensors = self.tensors().map(|(buf, layout)| origin(buf, layout)).collect();
        let place = Place { output: origin(self.output(), &self.output), tensors, channel: None };
        self.shift(b, &place, at)
    }

    /// The addresses of the element `by` further along each axis.
    pub fn shift(&self, b: &mut KernelBuilder, place: &Place, by: At) -> Place {
        let mut sums = Sums::default();
        let tensors = self.tensors().zip(&place.tensors);
        let tensors = tensors.map(|((_, layout), from)| sums.element(b, *from, layout, &self.output, by)).collect();
        let output = sums.element(b, place.output, &self.output, &self.output, by);
        let channel = if self.sources.iter().any(|s| matches!(s, Source::Channel { .. })) {
            sums.add(b, place.channel, by.c, 4)
        } else {
            None
        };
        Place { output, tensors, channel }
    }

    /// The addresses of the element a constant number of columns to the right.
    pub fn right(&self, place: &Place, columns: i64) -> Place {
        let mut place = place.clone();
        place.output = place.output.plus(columns * self.output.pixel_stride() as i64);
        for ((_, layout), addr) in self.tensors().zip(&mut place.tensors) {
            if layout.w == self.output.w {
                *addr = addr.plus(columns * layout.pixel_stride() as i64);
            }
        }
        place
    }

    /// The addresses of the element a constant number of rows further down.
    pub fn below(&self, place: &Place, rows: i64) -> Place {
        let mut place = place.clone();
        place.output = place.output.plus(rows * self.output.row_stride() as i64);
        for ((_, layout), addr) in self.tensors().zip(&mut place.tensors) {
            if layout.h == self.output.h {
                *addr = addr.plus(rows * layout.row_stride() as i64);
            }
        }
        place
    }
}

/// A body and its output seen as one row of pixels, if every tensor lies so that this is possible: a kernel that does not
/// look at neighbours may then walk all pixels in one loop.
pub fn flatten(body: &Body, output: &TensorLayout) -> Option<(Body, TensorLayout)> {
    let row = |l: &TensorLayout| {
        let one = TensorLayout { n: 1, h: 1, w: l.n * l.h * l.w, halo: Default::default(), ..*l };
        // A halo above the only image stays as a distance, in whole pixels.
        let above = l.halo.top * (l.halo.left + l.w + l.halo.right) + l.halo.left;
        let (left, right) = (above, l.n * (l.halo.top + l.h + l.halo.bottom) * (l.halo.left + l.w + l.halo.right));
        let right = right - above - one.w;
        TensorLayout { halo: Halo { top: 0, left, bottom: 0, right }, ..one }
    };
    let fits = |l: &TensorLayout| {
        let pixels = l.n * l.h * l.w;
        pixels == 1 || l.is_flat() && (l.n, l.h, l.w) == (output.n, output.h, output.w)
    };
    let all = output.is_flat() && body.tensors().all(fits);
    all.then(|| {
        let mut flat = body.clone();
        for operand in &mut flat.operands {
            if let Operand::Tensor(layout) = operand {
                *layout = row(layout);
            }
        }
        (flat, row(output))
    })
}

/// Address arithmetic that computes equal sums once.
#[derive(Debug, Default)]
pub struct Sums {
    known: Vec<(Option<Value>, Value, i64, Value)>,
}

impl Sums {
    /// The element `by` further than `from` in a tensor that broadcasts to `output`.
    pub fn element(
        &mut self,
        b: &mut KernelBuilder,
        from: Addr,
        layout: &TensorLayout,
        output: &TensorLayout,
        by: At,
    ) -> Addr {
        let steps = [
            (by.n, layout.n == output.n, layout.image_stride()),
            (by.y, layout.h == output.h, layout.row_stride()),
            (by.x, layout.w == output.w, layout.pixel_stride()),
            (by.c, layout.c == output.c, layout.elem.bytes()),
        ];
        let steps = steps.into_iter().filter(|step| step.1);
        let index = steps.fold(from.index, |sum, (value, _, stride)| self.add(b, sum, value, stride as i64));
        Addr { index, ..from }
    }

    /// `sum + value * stride`; what is absent is zero.
    pub fn add(
        &mut self,
        b: &mut KernelBuilder,
        sum: Option<Value>,
        value: Option<Value>,
        stride: i64,
    ) -> Option<Value> {
        let Some(value) = value else { return sum };
        if let Some(same) = self.known.iter().find(|k| (k.0, k.1, k.2) == (sum, value, stride)) {
            return Some(same.3);
        }
        let product = b.mul(value, stride);
        let total = sum.map_or(product, |sum| b.index_add(sum, product));
        self.known.push((sum, value, stride, total));
        Some(total)
    }
}
