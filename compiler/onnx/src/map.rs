//! Files as shared memory.

use bytes::Bytes;
use std::fs::File;
use std::io;
use std::path::Path;

/// The content of a file, mapped; an empty file gives no bytes.
pub(crate) fn map_file(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if meta.len() == 0 {
        return Ok(Bytes::new());
    }
    Ok(Bytes::from_owner(map(&file)?))
}

#[allow(unsafe_code, reason = "mapping a file is the only way not to copy the weights")]
fn map(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: the map is private and read-only. As for every program that maps its input, a model file must not be
    // truncated by someone else while it is in use; replacing it (write to a new file, rename) is safe.
    unsafe { memmap2::MmapOptions::new().map_copy_read_only(file) }
}
