//! `.npy` files of half-precision floats, which the crate for the other types does not have.
//!
//! The header's keys stand in any order; it is read only as far as `<f2` needs:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use qcc_tensor::{DType, Tensor, TensorType};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The tensor, if the bytes are a row-major `.npy` file of half-precision floats.
pub(crate) fn read(bytes: &[u8]) -> Option<Tensor> {
    let version = *bytes.strip_prefix(MAGIC)?.first()?;
    let (length, start) = match version {
        1 => (usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?)), 10usize),
        _ => (u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize, 12),
    };
    let end = start.checked_add(length)?;
    let header = std::str::from_utf8(bytes.get(start..end)?).ok()?;
    let value = |key: &str| Some(header.split_once(&format!("'{key}':"))?.1.trim_start());
    if !value("descr")?.starts_with("'<f2'") || !value("fortran_order")?.starts_with("False") {
        return None;
    }
    let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let sizes = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape = sizes.map(|s| s.parse::<usize>().ok()).collect::<Option<Vec<usize>>>()?;
    let data = bytes.get(end..)?;
    let size = shape.iter().try_fold(DType::F16.size(), |n, &d| n.checked_mul(d))?;
    if data.len() != size {
        return None;
    }
    Tensor::from_bytes(TensorType::new(DType::F16, shape), data.to_vec().into()).ok()
}

/// The bytes of a `.npy` file with a tensor of half-precision floats.
pub(crate) fn write(tensor: &Tensor) -> Vec<u8> {
    /// The format asks for headers whose length is a multiple of this.
    const ALIGN: usize = 64;
    let mut shape: String = tensor.shape().iter().map(|d| format!("{d}, ")).collect();
    shape = shape.trim_end().to_string();
    let mut header = format!("{{'descr': '<f2', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    let padded = (before + header.len() + 1).next_multiple_of(ALIGN) - before;
    header += &" ".repeat(padded - header.len() - 1);
    header.push('\n');
    let mut out = MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(tensor.bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use qcc_tensor::{Tensor, f16};

    #[test]
    fn tensors_come_back() {
        for shape in [vec![], vec![2], vec![1, 2, 3], vec![0, 4]] {
            let count = shape.iter().product();
            let tensor = Tensor::new(shape, (0..count).map(|i: usize| f16::from_f32(i as f32 - 0.5)).collect());
            let bytes = write(&tensor);
            assert_eq!(read(&bytes), Some(tensor));
            assert_eq!(read(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn other_bytes_are_none() {
        for bytes in [&b""[..], b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{'descr': '<f2'", b"PK\x03\x04"] {
            assert_eq!(read(bytes), None);
        }
    }
}
