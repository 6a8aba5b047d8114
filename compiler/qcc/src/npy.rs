//! Reading of `.npy` arrays: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>, versions 1 to 3.
//!
//! No memory is reserved for what a header claims before it is known that as many bytes follow.

use qcc_tensor::{DType, Tensor, TensorType};
use std::io::Read;

/// What to do about a file that is no array.
pub const HELP: &str = "write it with `numpy.save` (.npy) or `numpy.savez` (.npz), of floats, integers or bool";

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest header, in bytes: they are some hundred bytes long.
const LONGEST: u32 = 1 << 16;

/// What stands in front of the elements.
pub struct Header {
    /// Element type and shape.
    pub ty: TensorType,
    /// Bytes from the start of the array to its first element.
    pub length: u64,
    /// Whether the first axis runs fastest.
    pub fortran: bool,
    /// Whether the first byte of an element is its highest.
    pub big_endian: bool,
}

/// Reads what stands in front of the elements.
///
/// # Errors
/// What is wrong, in words.
pub fn header(source: &mut impl Read) -> Result<Header, String> {
    let mut start = [0u8; 8];
    source.read_exact(&mut start).map_err(|_| "it is no numpy array")?;
    if start[..6] != *MAGIC {
        return Err("it is no numpy array".into());
    }
    let width = if start[6] == 1 { 2 } else { 4 };
    let mut length = [0u8; 4];
    source.read_exact(&mut length[..width]).map_err(|_| "it is cut short")?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err("its header is too long".into());
    }
    let mut text = vec![0u8; length as usize];
    source.read_exact(&mut text).map_err(|_| "it is cut short")?;
    let text = String::from_utf8_lossy(&text);
    let field = |name: &str| text.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
    let described = field("descr").and_then(|rest| rest.strip_prefix('\'')?.split('\'').next());
    let (dtype, big_endian) = dtype(described.ok_or("its element type is not supported")?)?;
    let shape = field("shape").and_then(|rest| rest.strip_prefix('(')?.split(')').next()).ok_or("it has no shape")?;
    let sizes: Result<Vec<usize>, _> =
        shape.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse).collect();
    let ty = TensorType::new(dtype, sizes.map_err(|_| "its shape is no list of sizes")?);
    if !ty.fits_memory() {
        return Err("it is too large".into());
    }
    let fortran = field("fortran_order").is_some_and(|rest| rest.starts_with("True"));
    Ok(Header { ty, length: 8 + width as u64 + u64::from(length), fortran, big_endian })
}

/// Reads a whole array of which `length` bytes are there.
///
/// # Errors
/// What is wrong, in words.
pub fn read(source: &mut impl Read, length: u64) -> Result<Tensor, String> {
    let header = header(source)?;
    let needed = header.ty.bytes() as u64;
    if length.checked_sub(header.length).is_none_or(|rest| rest < needed) {
        return Err(format!("it is cut short: {} needs {needed} bytes", header.ty));
    }
    let mut bytes = Vec::new();
    source.take(needed).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 != needed {
        return Err(format!("it is cut short: {} needs {needed} bytes", header.ty));
    }
    if header.big_endian {
        bytes.chunks_exact_mut(header.ty.dtype.size()).for_each(<[u8]>::reverse);
    }
    if header.fortran {
        bytes = row_major(&bytes, &header.ty);
    }
    Tensor::from_bytes(header.ty, bytes.into()).map_err(|e| e.to_string())
}

/// Elements of which the first axis runs fastest, in the order in which the last one does.
fn row_major(bytes: &[u8], ty: &TensorType) -> Vec<u8> {
    let size = ty.dtype.size();
    let mut strides = Vec::with_capacity(ty.rank());
    ty.shape.iter().fold(1, |stride, d| {
        strides.push(stride);
        stride * d
    });
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = vec![0usize; ty.rank()];
    for _ in 0..ty.elements() {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        out.extend_from_slice(&bytes[at * size..(at + 1) * size]);
        for axis in (0..ty.rank()).rev() {
            index[axis] += 1;
            if index[axis] < ty.shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out
}

/// The element type, and whether its highest byte comes first.
fn dtype(described: &str) -> Result<(DType, bool), String> {
    let other = || format!("its element type `{described}` is not supported");
    let order = described.chars().next().ok_or_else(other)?;
    let dtype = match described.get(order.len_utf8()..).ok_or_else(other)? {
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "u1" => DType::U8,
        "i1" => DType::I8,
        "u2" => DType::U16,
        "i2" => DType::I16,
        "u4" => DType::U32,
        "i4" => DType::I32,
        "u8" => DType::U64,
        "i8" => DType::I64,
        "b1" => DType::Bool,
        _ => return Err(other()),
    };
    match order {
        '<' | '=' => Ok((dtype, false)),
        '>' => Ok((dtype, true)),
        '|' if dtype.size() == 1 => Ok((dtype, false)),
        _ => Err(other()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(described: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{described}', 'fortran_order': {fortran}, 'shape': ({shape}), }}\n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<Tensor, String> {
        read(&mut &bytes[..], bytes.len() as u64)
    }

    #[test]
    fn both_orders_of_bytes_and_of_axes_are_read() {
        let little: Vec<u8> = (1..=6i16).flat_map(i16::to_le_bytes).collect();
        let big: Vec<u8> = (1..=6i16).flat_map(i16::to_be_bytes).collect();
        let rows = Tensor::new([2, 3], vec![1i16, 2, 3, 4, 5, 6]);
        let columns = Tensor::new([2, 3], vec![1i16, 3, 5, 2, 4, 6]);
        assert_eq!(read_all(&file("<i2", "False", "2, 3", &little)), Ok(rows.clone()));
        assert_eq!(read_all(&file(">i2", "False", "2, 3", &big)), Ok(rows));
        assert_eq!(read_all(&file("<i2", "True", "2, 3", &little)), Ok(columns));
        assert_eq!(read_all(&file("|u1", "False", "", &[7])), Ok(Tensor::scalar(7u8)));
    }

    #[test]
    fn what_a_header_claims_is_not_believed() {
        let cases = [
            (
                file("<f4", "False", "1000000000000,", &[0; 8]),
                "it is cut short: f32[1000000000000] needs 4000000000000 bytes",
            ),
            (file("<f4", "False", "0, 99999999999, 99999999999", &[]), "it is too large"),
            (file("<f4", "False", "-1,", &[]), "its shape is no list of sizes"),
            (file("<f4", "False", "3,", &[0; 11]), "it is cut short: f32[3] needs 12 bytes"),
            (file("<c8", "False", "1,", &[0; 8]), "its element type `<c8` is not supported"),
            (file("é", "False", "1,", &[0; 8]), "its element type `é` is not supported"),
            (file("|f4", "False", "1,", &[0; 8]), "its element type `|f4` is not supported"),
            (b"\x93NUMPY\x01\0".to_vec(), "it is cut short"),
            (b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec(), "its header is too long"),
            (b"PK".to_vec(), "it is no numpy array"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read_all(&bytes).map_err(|e| e.to_string()), Err(expected.to_string()));
        }
    }
}
