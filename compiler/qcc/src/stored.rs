//! Arrays of `.npz` files that stay in the file: slices along axis 0 are read when they are asked for.
//!
//! A member that is compressed is first unpacked into a file without a name, which is gone when the program ends. Memory then
//! does not depend on the number of samples.

use crate::failure::Failure;
use crate::npy::{self, Header};
use qcc_tensor::{Tensor, TensorType};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

/// An array in a file.
pub struct Stored {
    file: Mutex<File>,
    /// Where its elements begin.
    offset: u64,
    ty: TensorType,
}

/// The arrays of a `.npz` file, in its order.
///
/// # Errors
/// A file that cannot be read, arrays of types that tensors do not have or in the order of columns.
pub fn open(path: &Path) -> Result<Vec<(String, Stored)>, Failure> {
    let fail = |e: &dyn std::fmt::Display| Failure::input(format!("cannot read `{}`: {e}", path.display()));
    let file = File::open(path).map_err(|e| fail(&e))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|e| fail(&e))?;
    let mut arrays = Vec::new();
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).map_err(|e| fail(&e))?;
        let name = member.name().trim_end_matches(".npy").to_string();
        let wrong = |e: String| fail(&format!("array `{name}`: {e}"));
        let Header { ty, length: header, fortran, big_endian } = npy::header(&mut member).map_err(wrong)?;
        if fortran || big_endian {
            return Err(wrong("it is in another order; store it with numpy.ascontiguousarray, little endian".into()));
        }
        let needed = ty.bytes() as u64;
        let (file, offset) = if member.compression() == zip::CompressionMethod::Stored {
            let start = member.data_start();
            (File::open(path).map_err(|e| fail(&e))?, start + header)
        } else {
            let mut unpacked = tempfile::tempfile().map_err(|e| fail(&e))?;
            // No more than the header claims: a small file may unpack to any size.
            std::io::copy(&mut member.take(needed), &mut unpacked).map_err(|e| fail(&e))?;
            unpacked.flush().map_err(|e| fail(&e))?;
            (unpacked, 0)
        };
        let length = file.metadata().map_err(|e| fail(&e))?.len();
        if offset.checked_add(needed).is_none_or(|end| end > length) {
            return Err(fail(&format!("array `{name}` is cut short")));
        }
        arrays.push((name, Stored { file: Mutex::new(file), offset, ty }));
    }
    Ok(arrays)
}

impl Stored {
    /// Element type and shape.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// The bytes of slice `index` along axis 0.
    ///
    /// # Errors
    /// A file that changed meanwhile.
    pub fn slice(&self, index: usize) -> Result<Vec<u8>, Failure> {
        let size = self.ty.bytes() / self.ty.shape.first().copied().unwrap_or(1).max(1);
        let mut bytes = vec![0; size];
        let mut file = self.file.lock().unwrap_or_else(|e| e.into_inner());
        file.seek(SeekFrom::Start(self.offset + (index * size) as u64))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| Failure::input(format!("cannot read sample {index}: {e}")))?;
        Ok(bytes)
    }

    /// The whole array.
    ///
    /// # Errors
    /// A file that changed meanwhile.
    pub fn tensor(&self) -> Result<Tensor, Failure> {
        let count = self.ty.shape.first().copied().unwrap_or(1);
        let mut bytes = Vec::with_capacity(self.ty.bytes());
        for i in 0..count {
            bytes.extend(self.slice(i)?);
        }
        Tensor::from_bytes(self.ty.clone(), bytes.into()).map_err(|e| Failure::Bug(e.to_string()))
    }
}
