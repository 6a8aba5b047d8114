//! Writing `.npy` files of half-precision floats, which the crate for the other types does not have.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use qcc_tensor::Tensor;

const MAGIC: &[u8] = b"\x93NUMPY";

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
    use super::write;
    use crate::npy;
    use qcc_tensor::{Tensor, f16};

    #[test]
    fn tensors_come_back() {
        for shape in [vec![], vec![2], vec![1, 2, 3], vec![0, 4]] {
            let count = shape.iter().product();
            let tensor = Tensor::new(shape, (0..count).map(|i: usize| f16::from_f32(i as f32 - 0.5)).collect());
            let bytes = write(&tensor);
            assert_eq!(npy::read(&mut &bytes[..], bytes.len() as u64), Ok(tensor));
        }
    }
}
