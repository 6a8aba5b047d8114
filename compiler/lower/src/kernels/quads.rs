//! The quads of a window: four codes each that follow each other in the input, and their weights.

use super::conv::ConvSpec;
use super::overflow::{Element, Load};
use super::pack::Taps;

/// Codes of a quad.
pub const QUAD: usize = 4;

/// The quads of the windows of a convolution whose weights are signed bytes.
pub struct Quads<'s> {
    /// The convolution.
    pub spec: &'s ConvSpec,
    /// Byte offset of each quad in the window.
    offsets: Vec<i64>,
    /// The weights of the quads, output channel by output channel; zero where a quad reaches beyond the taps.
    weights: Vec<[i8; QUAD]>,
}

impl Quads<'_> {
    /// Quads cover every run of taps.
    pub fn of<'s>(spec: &'s ConvSpec, taps: &Taps) -> Quads<'s> {
        let runs = (0..taps.outer).flat_map(|outer| (0..taps.inner).map(move |inner| [outer, inner]));
        let quads: Vec<[usize; 3]> =
            runs.flat_map(|[outer, inner]| (0..taps.run).step_by(QUAD).map(move |k| [outer, inner, k])).collect();
        let offset = |&[outer, inner, k]: &[usize; 3]| {
            outer as i64 * taps.outer_step + inner as i64 * taps.inner_step + k as i64
        };
        let mut weights = Vec::with_capacity(spec.output.c * quads.len());
        for o in 0..spec.output.c {
            weights.extend(quads.iter().map(|&[outer, inner, k]| {
                std::array::from_fn(|i| match taps.tap(outer, inner, k + i) {
                    Some([row, column, c]) => spec.weight(o, c, row, column) as i8,
                    None => 0,
                })
            }));
        }
        Quads { spec, offsets: quads.iter().map(offset).collect(), weights }
    }

    /// Quads of a window.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Byte offset of a quad in the window.
    pub fn offset(&self, quad: usize) -> i64 {
        self.offsets[quad]
    }

    /// The largest offset.
    pub fn farthest(&self) -> i64 {
        self.offsets.iter().copied().max().unwrap_or(0)
    }

    /// The highest code that windows hold, moved up if codes are signed. It may be that of padding: a zero point that the
    /// range of the codes need not contain.
    pub fn highest(&self) -> i32 {
        self.spec.input_range.1.max(self.spec.input_zero) + self.spec.flip()
    }

    /// The weights of the 16-bit sum of output channel `o` and half `half` of a quad.
    pub fn pair(&self, o: usize, quad: usize, half: usize) -> [i32; 2] {
        let weights = self.weights[o * self.len() + quad];
        [weights[2 * half].into(), weights[2 * half + 1].into()]
    }

    /// The same for an element.
    pub fn part(&self, o: usize, element: Element, half: usize) -> [i32; 2] {
        element.part.of(self.pair(o, element.quad, half), self.highest())
    }

    /// What is added to the sum of a planned group.
    pub fn shift(&self, o: usize, group: &[Element], half: usize) -> i32 {
        let load = group.iter().fold(Load::default(), |load, &e| load.and(Load::of(self.part(o, e, half))));
        load.shift(self.highest()).expect("this is a bug in qcc: the sum of a group fits 16 bits")
    }
}
