//! Arrays of `.npz` files that stay in the file: slices along axis 0 are read when they are asked for.
//!
//! A member that is compressed is first unpacked into a file without a name, which is gone when the program ends. Memory then
//! does not depend on the number of samples.

use crate::failure::Failure;
use qcc_tensor::{DType, Tensor, TensorType};
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
        let (ty, header) = header(&mut member).map_err(|e| fail(&format!("array `{name}`: {e}")))?;
        let (file, offset) = if member.compression() == zip::CompressionMethod::Stored {
            let start = member.data_start();
            (File::open(path).map_err(|e| fail(&e))?, start + header)
        } else {
            let mut unpacked = tempfile::tempfile().map_err(|e| fail(&e))?;
            std::io::copy(&mut member, &mut unpacked).map_err(|e| fail(&e))?;
            unpacked.flush().map_err(|e| fail(&e))?;
            (unpacked, 0)
        };
        let length = file.metadata().map_err(|e| fail(&e))?.len();
        if offset.checked_add(ty.bytes() as u64).is_none_or(|end| end > length) {
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

/// Type of the array, and how many bytes were read to know it. Format: `numpy.lib.format`, versions 1 to 3.
fn header(member: &mut impl Read) -> Result<(TensorType, u64), String> {
    let mut start = [0u8; 8];
    member.read_exact(&mut start).map_err(|e| e.to_string())?;
    if start[..6] != *b"\x93NUMPY" {
        return Err("it is no numpy array".into());
    }
    let width = if start[6] == 1 { 2 } else { 4 };
    let mut length = [0u8; 4];
    member.read_exact(&mut length[..width]).map_err(|e| e.to_string())?;
    let length = u32::from_le_bytes(length);
    /// Headers are some hundred bytes long.
    const LONGEST: u32 = 1 << 16;
    if length > LONGEST {
        return Err("its header is too long".into());
    }
    let mut text = vec![0u8; length as usize];
    member.read_exact(&mut text).map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&text);
    let field = |name: &str| text.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
    let described = field("descr").and_then(|rest| rest.strip_prefix('\'')?.split('\'').next());
    let dtype = dtype(described.ok_or("its element type is not supported")?)?;
    if field("fortran_order").is_some_and(|rest| rest.starts_with("True")) {
        return Err("it is in the order of columns; store it with numpy.ascontiguousarray".into());
    }
    let shape = field("shape").and_then(|rest| rest.strip_prefix('(')?.split(')').next()).ok_or("it has no shape")?;
    let sizes: Result<Vec<usize>, _> =
        shape.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse).collect();
    let sizes = sizes.map_err(|_| "its shape is no list of sizes")?;
    let elements = sizes.iter().try_fold(8usize, |n, &d| n.checked_mul(d));
    elements.ok_or("it is too large")?;
    Ok((TensorType::new(dtype, sizes), 8 + width as u64 + u64::from(length)))
}

fn dtype(described: &str) -> Result<DType, String> {
    Ok(match described {
        "<f4" => DType::F32,
        "<f8" => DType::F64,
        "|u1" => DType::U8,
        "|i1" => DType::I8,
        "<u2" => DType::U16,
        "<i2" => DType::I16,
        "<u4" => DType::U32,
        "<i4" => DType::I32,
        "<u8" => DType::U64,
        "<i8" => DType::I64,
        "|b1" => DType::Bool,
        "<f2" => DType::F16,
        other => return Err(format!("its element type `{other}` is not supported")),
    })
}
