//! What a body reads per element: tensors and constants of channels, as numbers or as codes.

use qcc_kernel::{Addr, Lane, VL, Value};

use super::apply::Tile;
use super::emit::Source;
use super::layout::TensorLayout;
use super::twin::Twin;

impl Tile<'_, '_, '_> {
    /// Vector `v` of an operand of four-byte numbers.
    pub(super) fn operand(&mut self, i: u32, lane: Lane, v: usize) -> Value {
        let step = self.twin.number_step();
        match self.emitter.sources[i as usize] {
            Source::Tensor { number, layout, .. } if self.broadcasts(&layout) => {
                let high = self.twin.pixel(&layout, self.across(&layout));
                self.b.broadcast32(lane, Addr { high, ..self.place.tensors[number] })
            }
            Source::Tensor { number, layout, .. } => {
                let at = self.place.tensors[number].plus(4 * self.first as i64 + step * v as i64);
                let high = self.twin.numbers(&layout, self.across(&layout));
                self.b.load(lane, VL, Addr { high, ..at })
            }
            Source::Channel { plain, apart } => {
                let buf = self.emitter.constants();
                let (start, step, high) = match self.twin {
                    Twin::None | Twin::Pixel(_) => (plain, step, None),
                    Twin::Numbers => (plain, step, Some(VL as i64)),
                    Twin::Channels(far) if far == self.emitter.far => (apart, 2 * VL as i64, Some(VL as i64)),
                    Twin::Channels(far) => (plain, step, Some(4 * far as i64)),
                };
                let offset = start + 4 * self.first as i64 + step * v as i64;
                self.b.load(lane, VL, Addr { buf, index: self.place.channel, offset, high })
            }
        }
    }

    /// An operand of codes as bytes.
    pub(super) fn operand_codes(&mut self, i: u32) -> Value {
        let addr = self.code_address(i);
        if self.is_broadcast(i) {
            let code = self.b.load(Lane::I8, 1, addr);
            return self.b.shuffle(code, code, [0; VL]);
        }
        self.b.load(Lane::I8, (4 * self.vectors).next_power_of_two(), addr)
    }

    /// The address of the codes of an operand for this tile.
    pub(super) fn code_address(&self, i: u32) -> Addr {
        match self.emitter.sources[i as usize] {
            Source::Tensor { number, layout, .. } => {
                let across = self.across(&layout);
                let (first, high) = match self.broadcasts(&layout) {
                    true => (0, self.twin.pixel(&layout, across)),
                    false => (self.first, self.twin.codes(&layout, across)),
                };
                Addr { high, ..self.place.tensors[number].plus((first * layout.elem.bytes()) as i64) }
            }
            Source::Channel { .. } => panic!("this is a bug in qcc: operand {i} holds no codes"),
        }
    }

    /// Whether an operand is the same for all channels of the output.
    pub(super) fn is_broadcast(&self, i: u32) -> bool {
        match self.emitter.sources[i as usize] {
            Source::Tensor { layout, .. } => self.broadcasts(&layout),
            Source::Channel { .. } => false,
        }
    }

    fn broadcasts(&self, layout: &TensorLayout) -> bool {
        layout.c == 1 && self.emitter.output.c > 1
    }

    /// Whether a tensor has all columns of the output.
    fn across(&self, layout: &TensorLayout) -> bool {
        layout.w == self.emitter.output.w
    }
}
