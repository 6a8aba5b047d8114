//! Passes over tensors whose channels are last: many lanes side by side, each of which holds values of one channel.

/// Lanes of a tile.
pub const LANES: usize = 16;

/// Rows of a tile: values folded one after the other, few enough that a sum of them in f32 loses no more than 2^-18 of it.
const ROWS: usize = 64;

/// Columns of neighbouring rows.
pub struct Tile<'a> {
    rows: &'a [f32],
    /// Distance of two rows.
    width: usize,
    /// The channel of the first lane; that of every further one is the next, modulo their number.
    pub first: usize,
    /// Lanes that hold something.
    pub lanes: usize,
}

impl Tile<'_> {
    /// The lanes of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[f32; LANES]> {
        self.rows.chunks(self.width).filter_map(|row| row.first_chunk())
    }

    /// Folds each lane from its first row to its last, with the vectors that the CPU has.
    pub fn fold(&self, start: f32, step: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
        pulp::Arch::new().dispatch(Fold { tile: self, start, step })
    }
}

struct Fold<'a, F> {
    tile: &'a Tile<'a>,
    start: f32,
    step: F,
}

impl<F: Fn(f32, f32) -> f32> pulp::WithSimd for Fold<'_, F> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> [f32; LANES] {
        let mut folded = [self.start; LANES];
        for row in self.tile.rows() {
            for (lane, &v) in folded.iter_mut().zip(row) {
                *lane = (self.step)(*lane, v);
            }
        }
        folded
    }
}

/// Visits all values in tiles.
pub fn tiles(values: &[f32], channels: usize, mut visit: impl FnMut(&Tile<'_>)) {
    // Of so many values every lane holds one channel only.
    let width = channels * LANES / greatest_divisor(channels, LANES);
    let (whole, rest) = values.split_at(values.len() / width * width);
    for block in whole.chunks(width * ROWS) {
        // Memory is read in order once; the columns then find it in the cache.
        std::hint::black_box(block.iter().step_by(LANES).fold(0, |bits, v| bits ^ v.to_bits()));
        for at in (0..width).step_by(LANES) {
            visit(&Tile { rows: &block[at..], width, first: at % channels, lanes: LANES });
        }
    }
    for (i, part) in rest.chunks(LANES).enumerate() {
        let mut row = [0.0; LANES];
        row[..part.len()].copy_from_slice(part);
        visit(&Tile { rows: &row, width: LANES, first: i * LANES % channels, lanes: part.len() });
    }
}

/// The greatest number that divides both.
pub fn greatest_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_met_once_in_the_lane_of_its_channel() {
        for channels in [1, 3, 16, 24, 97] {
            for rows in [0, 1, 15, 64, 200] {
                let values: Vec<f32> = (0..rows * channels).map(|i| (i % channels + 1) as f32).collect();
                let mut met = vec![0; channels];
                tiles(&values, channels, |tile| {
                    let (sums, largest) = (tile.fold(0.0, |s, v| s + v), tile.fold(0.0, f32::max));
                    for lane in 0..tile.lanes {
                        let channel = (tile.first + lane) % channels;
                        assert_eq!(largest[lane], (channel + 1) as f32);
                        met[channel] += (sums[lane] / largest[lane]) as usize;
                    }
                });
                assert_eq!(met, vec![rows; channels], "{channels} channels");
            }
        }
    }
}
