//! The tensor itself.

use crate::{DType, Element, Shape, Storage, TensorType, storage::AlignedBuffer};
use crate::{F4E2M1, F8E4M3, F8E4M3Uz, F8E5M2, F8E5M2Uz, F8E8M0, I2, I4, U2, U4};
use bytes::Bytes;
use ndarray::{ArrayViewD, IxDyn};

/// Why bytes are not a tensor of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The number of bytes does not fit the type.
    #[error("{ty} needs {expected} bytes, got {got}")]
    Size {
        /// Wanted type.
        ty: TensorType,
        /// Bytes it needs.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
}

/// An immutable dense row-major tensor; clones share their bytes.
#[derive(Clone)]
pub struct Tensor {
    ty: TensorType,
    storage: Storage,
}

impl Tensor {
    /// From elements in row-major order.
    ///
    /// # Panics
    /// If the number of elements is not the product of the shape.
    pub fn new<T: Element>(shape: impl IntoIterator<Item = usize>, data: Vec<T>) -> Self {
        let ty = TensorType::new(T::DTYPE, shape);
        assert_eq!(ty.elements(), data.len(), "{ty} from {} elements", data.len());
        Self::build::<T>(ty.shape, |out| out.copy_from_slice(&data))
    }

    /// A rank-0 tensor.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::new([], vec![value])
    }

    /// All elements equal.
    pub fn full<T: Element>(shape: impl IntoIterator<Item = usize>, value: T) -> Self {
        Self::build::<T>(shape.into_iter().collect(), |out| out.fill(value))
    }

    /// Zero elements of any type.
    pub fn zeros(ty: TensorType) -> Self {
        let storage = Storage::owned(AlignedBuffer::zeroed(ty.bytes()));
        Self { ty, storage }
    }

    /// Allocates, lets `fill` write the (zeroed) elements in row-major order, and freezes.
    pub fn build<T: Element>(shape: Shape, fill: impl FnOnce(&mut [T])) -> Self {
        let ty = TensorType { dtype: T::DTYPE, shape };
        let mut buffer = AlignedBuffer::zeroed(ty.bytes());
        let bytes = buffer.as_mut();
        // SAFETY: the buffer is 64-byte aligned, holds exactly `elements` elements of T, and all-zero bytes are a valid
        // value of every `Element` type (`bool` included).
        fill(unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<T>(), ty.elements()) });
        Self { ty, storage: Storage::owned(buffer) }
    }

    /// From raw little-endian bytes; shares them if they are aligned for the element type, else copies.
    /// Bytes of a `bool` tensor become 0 or 1, those of elements of less than eight bits lose their upper bits.
    pub fn from_bytes(ty: TensorType, bytes: Bytes) -> Result<Self, TensorError> {
        if ty.bytes() != bytes.len() {
            return Err(TensorError::Size { expected: ty.bytes(), got: bytes.len(), ty });
        }
        if ty.dtype == DType::Bool && bytes.iter().any(|&b| b > 1) {
            return Ok(Self::build::<bool>(ty.shape, |out| {
                out.iter_mut().zip(bytes.iter()).for_each(|(o, b)| *o = *b != 0);
            }));
        }
        if let Some(bytes) = within_bits(ty.dtype, &bytes) {
            return Ok(Self { ty, storage: Storage::copied(&bytes) });
        }
        let aligned = (bytes.as_ptr() as usize).is_multiple_of(ty.dtype.size());
        let storage = if aligned { Storage::shared(bytes) } else { Storage::copied(&bytes) };
        Ok(Self { ty, storage })
    }

    /// Element type and shape.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.ty.shape
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.ty.shape.len()
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.ty.elements()
    }

    /// Raw bytes, row-major.
    pub fn bytes(&self) -> &[u8] {
        self.storage.bytes()
    }

    /// The shared bytes.
    pub fn to_shared(&self) -> Bytes {
        self.storage.to_shared()
    }

    /// Elements in row-major order, or `None` if the element type is another.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        if T::DTYPE != self.ty.dtype {
            return None;
        }
        let bytes = self.storage.bytes();
        if bytes.is_empty() {
            return Some(&[]);
        }
        // SAFETY: every constructor guarantees alignment, length and validity of the bytes for the element type.
        Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), self.elements()) })
    }

    /// Elements in row-major order.
    ///
    /// # Panics
    /// If the element type is another; for code that has checked it.
    pub fn slice<T: Element>(&self) -> &[T] {
        self.as_slice().unwrap_or_else(|| panic!("{} read as {}", self.ty, T::DTYPE))
    }

    /// An n-dimensional view.
    ///
    /// # Panics
    /// If the element type is another; for code that has checked it.
    pub fn view<T: Element>(&self) -> ArrayViewD<'_, T> {
        ArrayViewD::from_shape(IxDyn(self.shape()), self.slice::<T>()).expect("a tensor is dense")
    }

    /// The same bytes under another shape of equally many elements.
    ///
    /// # Panics
    /// If the number of elements differs.
    pub fn reshaped(&self, shape: impl IntoIterator<Item = usize>) -> Self {
        let ty = TensorType::new(self.ty.dtype, shape);
        assert_eq!(ty.elements(), self.elements(), "reshape {} to {ty}", self.ty);
        Self { ty, storage: self.storage.clone() }
    }

    /// All elements as f64, row-major.
    pub fn to_f64_vec(&self) -> Vec<f64> {
        macro_rules! widen { ($($d:ident $t:ty),*) => { match self.ty.dtype {
            $(DType::$d => self.slice::<$t>().iter().map(|x| x.to_f64()).collect(),)*
        } } }
        widen!(F32 f32, F64 f64, F16 half::f16, BF16 half::bf16, I8 i8, U8 u8, I16 i16, U16 u16, I32 i32, U32 u32,
               I64 i64, U64 u64, Bool bool, I4 I4, U4 U4, I2 I2, U2 U2, F8E4M3 F8E4M3, F8E4M3Uz F8E4M3Uz,
               F8E5M2 F8E5M2, F8E5M2Uz F8E5M2Uz, F8E8M0 F8E8M0, F4E2M1 F4E2M1)
    }

    /// All elements as i64, row-major; `None` for float tensors and for u64 values beyond i64.
    pub fn to_i64_vec(&self) -> Option<Vec<i64>> {
        macro_rules! widen { ($($d:ident $t:ty),*) => { match self.ty.dtype {
            $(DType::$d => self.slice::<$t>().iter().map(|&x| i64::try_from(x).ok()).collect(),)*
            DType::Bool => Some(self.slice::<bool>().iter().map(|&x| i64::from(x)).collect()),
            DType::I4 | DType::I2 => Some(self.bytes().iter().map(|&b| i64::from(b as i8)).collect()),
            DType::U4 | DType::U2 => Some(self.bytes().iter().map(|&b| i64::from(b)).collect()),
            _ => None,
        } } }
        widen!(I8 i8, U8 u8, I16 i16, U16 u16, I32 i32, U32 u32, I64 i64, U64 u64)
    }

    /// Elements given as f64, converted to `dtype` as [`Element::from_f64`] does.
    pub fn from_f64(dtype: DType, shape: impl IntoIterator<Item = usize>, data: &[f64]) -> Self {
        macro_rules! narrow { ($($d:ident $t:ty),*) => { match dtype {
            $(DType::$d => Self::new(shape, data.iter().map(|&x| <$t>::from_f64(x)).collect()),)*
        } } }
        narrow!(F32 f32, F64 f64, F16 half::f16, BF16 half::bf16, I8 i8, U8 u8, I16 i16, U16 u16, I32 i32, U32 u32,
                I64 i64, U64 u64, Bool bool, I4 I4, U4 U4, I2 I2, U2 U2, F8E4M3 F8E4M3, F8E4M3Uz F8E4M3Uz,
               F8E5M2 F8E5M2, F8E5M2Uz F8E5M2Uz, F8E8M0 F8E8M0, F4E2M1 F4E2M1)
    }
}

/// The bytes with every element brought into its type's bits, if one is not.
fn within_bits(dtype: DType, bytes: &[u8]) -> Option<Vec<u8>> {
    let narrow: fn(u8) -> u8 = match dtype {
        DType::I4 => |b| I4::wrapped(i128::from(b)).0 as u8,
        DType::U4 | DType::F4E2M1 => |b| b & 0xf,
        DType::I2 => |b| I2::wrapped(i128::from(b)).0 as u8,
        DType::U2 => |b| b & 3,
        _ => return None,
    };
    bytes.iter().any(|&b| narrow(b) != b).then(|| bytes.iter().map(|&b| narrow(b)).collect())
}

/// Equal type and equal bytes (so NaN equals itself and -0 differs from 0).
impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.ty == other.ty && self.bytes() == other.bytes()
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.ty)?;
        if self.elements() <= 8 { write!(f, " {:?}", self.to_f64_vec()) } else { Ok(()) }
    }
}

/// Type and bytes.
impl serde::Serialize for Tensor {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        (&self.ty, self.bytes()).serialize(s)
    }
}

impl<'de> serde::Deserialize<'de> for Tensor {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let (ty, bytes) = <(TensorType, Vec<u8>)>::deserialize(d)?;
        if !ty.fits_memory() || ty.bytes() != bytes.len() {
            return Err(serde::de::Error::custom(format!("{ty} from {} bytes", bytes.len())));
        }
        Self::from_bytes(ty, bytes.into()).map_err(serde::de::Error::custom)
    }
}
