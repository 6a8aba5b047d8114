//! Aligned memory that lives as long as a session.

use qcc_kernel::BUFFER_ALIGN;
use std::cell::UnsafeCell;

/// One unit of alignment.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u8; BUFFER_ALIGN]);

const _: () = assert!(align_of::<Line>() == BUFFER_ALIGN);

/// Zeroed bytes at a multiple of [`BUFFER_ALIGN`] that never move.
pub struct Arena {
    lines: Box<[UnsafeCell<Line>]>,
}

// SAFETY: access goes through raw pointers handed out by `at`; whoever dereferences them keeps threads apart.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// At least `bytes` zeros.
    pub fn new(bytes: usize) -> Arena {
        let lines = bytes.div_ceil(BUFFER_ALIGN).max(1);
        Arena { lines: (0..lines).map(|_| UnsafeCell::new(Line([0; BUFFER_ALIGN]))).collect() }
    }

    /// An aligned copy of `bytes`.
    pub fn copied(bytes: &[u8]) -> Arena {
        let arena = Arena::new(bytes.len());
        // SAFETY: the arena has at least as many bytes, was made a line above and is known to nobody else.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), arena.at(0), bytes.len()) };
        arena
    }

    /// Address of the byte at `offset`, which must lie in the arena.
    pub fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.lines.len() * BUFFER_ALIGN);
        UnsafeCell::raw_get(self.lines.as_ptr()).cast::<u8>().wrapping_add(offset)
    }
}
