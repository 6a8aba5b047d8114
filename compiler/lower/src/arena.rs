//! Offsets for buffers that share one arena.

use qcc_kernel::BUFFER_ALIGN;

/// A buffer and the steps during which it holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Size in bytes.
    pub bytes: usize,
    /// First step that writes it.
    pub first: usize,
    /// Last step that reads it, at least `first`.
    pub last: usize,
}

impl Interval {
    fn meets(&self, other: &Interval) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn aligned(&self) -> usize {
        self.bytes.next_multiple_of(BUFFER_ALIGN)
    }
}

/// Where buffers lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Offset of each buffer, a multiple of [`BUFFER_ALIGN`].
    pub offsets: Vec<usize>,
    /// Size of the arena.
    pub bytes: usize,
    /// What no plan can undercut: the largest sum of buffers that hold something at the same time.
    pub lower_bound: usize,
}

/// Places buffers so that two that hold something at the same time do not overlap.
///
/// The better of two orders, each buffer at the lowest offset that is free: large buffers first (which is nearly optimal
/// for networks, see Y. Pisarchyk and J. Lee, "Efficient memory management for deep neural net inference", 2020), and
/// buffers in the order of their first step.
pub fn plan(buffers: &[Interval]) -> Plan {
    let mut by_size: Vec<usize> = (0..buffers.len()).collect();
    by_size.sort_by_key(|&i| (std::cmp::Reverse(buffers[i].bytes), buffers[i].first, i));
    let mut by_start: Vec<usize> = (0..buffers.len()).collect();
    by_start.sort_by_key(|&i| (buffers[i].first, std::cmp::Reverse(buffers[i].bytes), i));
    let (a, b) = (place(buffers, &by_size), place(buffers, &by_start));
    let (offsets, bytes) = if b.1 < a.1 { b } else { a };
    Plan { offsets, bytes, lower_bound: lower_bound(buffers) }
}

fn place(buffers: &[Interval], order: &[usize]) -> (Vec<usize>, usize) {
    let mut offsets = vec![0; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut end = 0;
    for &i in order {
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&j| buffers[i].meets(&buffers[j]))
            .map(|&j| (offsets[j], offsets[j] + buffers[j].aligned()))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (from, to) in taken {
            if at + buffers[i].aligned() <= from {
                break;
            }
            at = at.max(to);
        }
        offsets[i] = at;
        end = end.max(at + buffers[i].aligned());
        placed.push(i);
    }
    (offsets, end)
}

fn lower_bound(buffers: &[Interval]) -> usize {
    let live = |step: usize| -> usize {
        buffers.iter().filter(|b| b.first <= step && step <= b.last).map(Interval::aligned).sum()
    };
    buffers.iter().map(|b| live(b.first)).max().unwrap_or(0)
}
