//! Tensors in `.npy` and `.npz` files.

use crate::failure::Failure;
use crate::half_npy;
use crate::npy;
use ndarray_npy::{NpzWriter, WriteNpyExt};
use qcc_tensor::{DType, Tensor};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek};
use std::path::Path;

macro_rules! by_dtype {
    ($dtype:expr, $t:ident => $body:expr, $other:expr) => {
        match $dtype {
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::I8 => {
                type $t = i8;
                $body
            }
            DType::U8 => {
                type $t = u8;
                $body
            }
            DType::I16 => {
                type $t = i16;
                $body
            }
            DType::U16 => {
                type $t = u16;
                $body
            }
            DType::I32 => {
                type $t = i32;
                $body
            }
            DType::U32 => {
                type $t = u32;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            DType::U64 => {
                type $t = u64;
                $body
            }
            DType::Bool => {
                type $t = bool;
                $body
            }
            _ => $other,
        }
    };
}

/// A file that can be opened and does not hold what it should.
fn wrong(name: &dyn std::fmt::Display, what: &dyn std::fmt::Display) -> Failure {
    Failure::input_with_help(format!("cannot read `{name}`: {what}"), npy::HELP)
}

/// Reads a `.npy` file, or a `.pb` file with an ONNX tensor.
///
/// # Errors
/// A file that cannot be read or holds an element type that tensors do not have.
pub fn read_npy(path: &Path) -> Result<Tensor, Failure> {
    let fail = |e: &dyn std::fmt::Display| Failure::input(format!("cannot read `{}`: {e}", path.display()));
    if path.extension().is_some_and(|e| e == "pb") {
        let bytes = std::fs::read(path).map_err(|e| fail(&e))?;
        let read = qcc_onnx::read_tensor(bytes.into(), &format!("`{}`", path.display()));
        return read.map_err(|e| Failure::Diagnostics(vec![e]));
    }
    let file = File::open(path).map_err(|e| fail(&e))?;
    let length = file.metadata().map_err(|e| fail(&e))?.len();
    npy::read(&mut BufReader::new(file), length).map_err(|e| wrong(&path.display(), &e))
}

/// Reads all arrays of a `.npz` file, compressed or not, in the order of the file.
///
/// # Errors
/// As [`read_npy`].
pub fn read_npz(path: &Path) -> Result<Vec<(String, Tensor)>, Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| Failure::input(format!("cannot read `{name}`: {e}")))?;
    npz(file, &name)
}

/// Reads all arrays of the bytes of a `.npz` file; `name` is for messages.
///
/// # Errors
/// As [`read_npy`].
pub fn npz(bytes: impl Read + Seek, name: &str) -> Result<Vec<(String, Tensor)>, Failure> {
    let fail = |e: &dyn std::fmt::Display| wrong(&name, e);
    let mut archive = zip::ZipArchive::new(bytes).map_err(|e| fail(&e))?;
    let mut arrays = Vec::with_capacity(archive.len());
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).map_err(|e| fail(&e))?;
        let name = member.name().trim_end_matches(".npy").to_string();
        let length = member.size();
        let array = npy::read(&mut member, length).map_err(|e| fail(&format!("array `{name}`: {e}")))?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// Writes a tensor to `STEM.npy`, or, where numpy does not have the element type, to `STEM.pb` as an ONNX tensor.
///
/// # Errors
/// A file that cannot be written.
pub fn write_array(stem: &Path, tensor: &Tensor) -> Result<(), Failure> {
    let (npy, pb) = (stem.with_extension("npy"), stem.with_extension("pb"));
    let fail =
        |path: &Path, e: &dyn std::fmt::Display| Failure::input(format!("cannot write `{}`: {e}", path.display()));
    if tensor.dtype() == DType::F16 {
        return std::fs::write(&npy, half_npy::write(tensor)).map_err(|e| fail(&npy, &e));
    }
    by_dtype!(tensor.dtype(), T => {
        let file = BufWriter::new(File::create(&npy).map_err(|e| fail(&npy, &e))?);
        tensor.view::<T>().write_npy(file).map_err(|e| fail(&npy, &e))
    }, {
        let name = stem.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        std::fs::write(&pb, qcc_onnx::write_tensor(tensor, &name)).map_err(|e| fail(&pb, &e))
    })
}

/// Writes a `.npz` file, not compressed.
///
/// # Errors
/// A file that cannot be written; half-precision tensors, which the format's writer here lacks.
pub fn write_npz(path: &Path, arrays: &[(String, Tensor)]) -> Result<(), Failure> {
    let fail = |e: &dyn std::fmt::Display| Failure::input(format!("cannot write `{}`: {e}", path.display()));
    let mut npz = NpzWriter::new(File::create(path).map_err(|e| fail(&e))?);
    for (name, tensor) in arrays {
        by_dtype!(tensor.dtype(), T => npz.add_array(name.as_str(), &tensor.view::<T>()).map_err(|e| fail(&e))?,
                  return Err(fail(&format!("element type {}", tensor.dtype()))));
    }
    npz.finish().map_err(|e| fail(&e))?;
    Ok(())
}
