//! Aligned memory that lives as long as a session.

use crate::SessionError;
use qcc_kernel::BUFFER_ALIGN;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// Zeroed bytes at a multiple of [`BUFFER_ALIGN`] that never move. Pages that nobody touches take no memory.
pub struct Arena {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: access goes through raw pointers handed out by `at`; whoever dereferences them keeps threads apart.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// At least `bytes` zeros.
    ///
    /// # Errors
    /// More than the machine has.
    pub fn new(bytes: usize) -> Result<Arena, SessionError> {
        let refused = || SessionError::Memory { bytes };
        let size = bytes.max(1).checked_next_multiple_of(BUFFER_ALIGN).ok_or_else(refused)?;
        let layout = Layout::from_size_align(size, BUFFER_ALIGN).map_err(|_| refused())?;
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(refused)?;
        Ok(Arena { start, layout })
    }

    /// An aligned copy of `bytes`.
    ///
    /// # Errors
    /// As [`Arena::new`].
    pub fn copied(bytes: &[u8]) -> Result<Arena, SessionError> {
        let arena = Arena::new(bytes.len())?;
        // SAFETY: the arena has at least as many bytes, was made a line above and is known to nobody else.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), arena.at(0), bytes.len()) };
        Ok(arena)
    }

    /// Address of the byte at `offset`, which must lie in the arena.
    pub fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.layout.size());
        self.start.as_ptr().wrapping_add(offset)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: this layout was allocated in `new` and is freed here only; pointers into it live no longer than the
        // session that owns it.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}
