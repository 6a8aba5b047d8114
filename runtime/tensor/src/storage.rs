//! Bytes behind tensors: owned and 64-byte aligned, or a slice of somebody else's memory (a mapped file).

use bytes::Bytes;

/// Alignment of owned storage in bytes: a cache line, and the widest vector register.
pub const ALIGNMENT: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; ALIGNMENT]);

/// Zero-initialised aligned memory that becomes a [`Storage`].
pub(crate) struct AlignedBuffer {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBuffer {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0; ALIGNMENT]); len.div_ceil(ALIGNMENT)], len }
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: `lines` holds at least `len` initialised bytes and `Line` has no padding.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: as in `as_mut`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

/// Shared immutable bytes.
#[derive(Clone)]
pub struct Storage(Bytes);

impl Storage {
    /// Takes shared bytes as they are (no copy).
    pub fn shared(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Copies into aligned memory.
    pub fn copied(bytes: &[u8]) -> Self {
        let mut buffer = AlignedBuffer::zeroed(bytes.len());
        buffer.as_mut().copy_from_slice(bytes);
        Self::owned(buffer)
    }

    pub(crate) fn owned(buffer: AlignedBuffer) -> Self {
        Self(Bytes::from_owner(buffer))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as shared memory.
    pub fn to_shared(&self) -> Bytes {
        self.0.clone()
    }
}
