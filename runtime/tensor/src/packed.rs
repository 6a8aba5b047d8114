//! Elements of less than eight bits as files hold them: several in a byte, the first in the lowest bits.

use crate::{Tensor, TensorError, TensorType};
use bytes::Bytes;

impl TensorType {
    /// Bytes of a tensor of this type in a file, where small elements are packed; `None` beyond the address space.
    pub fn packed_bytes(&self) -> Option<usize> {
        let bits = self.dtype.bits();
        let elements = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if bits >= 8 { elements.checked_mul(bits / 8) } else { Some(elements.div_ceil(8 / bits)) }
    }
}

impl Tensor {
    /// From bytes as a file holds them; shares them where elements are whole bytes.
    ///
    /// # Errors
    /// Another number of bytes than the type needs.
    pub fn from_packed(ty: TensorType, bytes: Bytes) -> Result<Tensor, TensorError> {
        let bits = ty.dtype.bits();
        if bits >= 8 {
            return Tensor::from_bytes(ty, bytes);
        }
        let expected = ty.elements().div_ceil(8 / bits);
        if bytes.len() != expected {
            return Err(TensorError::Size { expected, got: bytes.len(), ty });
        }
        let per_byte = 8 / bits;
        let spread = (0..ty.elements()).map(|i| bytes[i / per_byte] >> (i % per_byte * bits)).collect::<Vec<u8>>();
        Tensor::from_bytes(ty, narrowed(&spread, bits).into())
    }

    /// The bytes as a file holds them.
    pub fn to_packed(&self) -> Bytes {
        let bits = self.dtype().bits();
        if bits >= 8 {
            return self.to_shared();
        }
        let part = |(i, b): (usize, &u8)| (b & ((1 << bits) - 1)) << (i * bits);
        self.bytes().chunks(8 / bits).map(|c| c.iter().enumerate().map(part).fold(0, |a, b| a | b)).collect()
    }
}

/// The lowest bits of each byte; the tensor's constructor extends their sign.
fn narrowed(bytes: &[u8], bits: usize) -> Vec<u8> {
    bytes.iter().map(|b| b & ((1 << bits) - 1)).collect()
}

#[cfg(test)]
mod tests {
    use crate::{DType, I4, Tensor, TensorType, U2};

    #[test]
    fn elements_come_back_from_packed_bytes() {
        let tensor = Tensor::new([3], vec![I4(-8), I4(7), I4(-1)]);
        assert_eq!(&tensor.to_packed()[..], [0x78, 0x0f]);
        assert_eq!(Tensor::from_packed(tensor.ty().clone(), tensor.to_packed()), Ok(tensor));
        let tensor = Tensor::new([5], vec![U2(3), U2(0), U2(1), U2(2), U2(3)]);
        assert_eq!(&tensor.to_packed()[..], [0b1001_0011, 0b11]);
        assert_eq!(Tensor::from_packed(tensor.ty().clone(), tensor.to_packed()), Ok(tensor));
    }

    #[test]
    fn another_number_of_bytes_is_an_error() {
        assert!(Tensor::from_packed(TensorType::new(DType::U4, [3]), vec![0u8].into()).is_err());
    }
}
