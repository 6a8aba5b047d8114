//! The constants of a program: one range of bytes, equal contents once.

use bytes::Bytes;
use qcc_kernel::BUFFER_ALIGN;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};

use crate::kernels::layout::SLACK;

/// Constants collected so far.
#[derive(Debug, Default)]
pub struct Constants {
    bytes: Vec<u8>,
    /// Offset and length of every constant by the hash of its contents.
    known: FxHashMap<u64, Vec<(usize, usize)>>,
}

impl Constants {
    /// The offset of these contents, a multiple of [`BUFFER_ALIGN`], with [`SLACK`] readable bytes behind.
    pub fn add(&mut self, contents: &[u8]) -> usize {
        let mut hasher = FxHasher::default();
        contents.hash(&mut hasher);
        let known = self.known.entry(hasher.finish()).or_default();
        let same = |&&(at, length): &&(usize, usize)| &self.bytes[at..at + length] == contents;
        if let Some((at, _)) = known.iter().find(same) {
            return *at;
        }
        let at = self.bytes.len();
        known.push((at, contents.len()));
        self.bytes.extend(contents);
        self.bytes.resize((self.bytes.len() + SLACK).next_multiple_of(BUFFER_ALIGN), 0);
        at
    }

    /// All of them, at a multiple of [`BUFFER_ALIGN`] in memory, so that sessions need no copy.
    pub fn finish(mut self) -> Bytes {
        let length = self.bytes.len();
        self.bytes.reserve_exact(BUFFER_ALIGN);
        let first = self.bytes.as_ptr().align_offset(BUFFER_ALIGN);
        self.bytes.resize(length + first, 0);
        self.bytes.copy_within(..length, first);
        Bytes::from(self.bytes).slice(first..)
    }
}
