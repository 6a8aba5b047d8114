//! Rust types that are tensor elements.

use crate::DType;
use crate::small::{F4E2M1, F8E4M3, F8E4M3Uz, F8E5M2, F8E5M2Uz, F8E8M0, I2, I4, U2, U4};
use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is the element of one [`DType`]; sealed.
pub trait Element:
    sealed::Sealed + Copy + Default + PartialEq + PartialOrd + std::fmt::Debug + Send + Sync + 'static
{
    /// The element type.
    const DTYPE: DType;
    /// Value as f64 (64-bit integers beyond 2^53 round).
    fn to_f64(self) -> f64;
    /// From f64 as Rust's `as` converts: floats round to nearest even, integers truncate and saturate, NaN is zero.
    fn from_f64(x: f64) -> Self;
}

macro_rules! element {
    ($($t:ty, $d:ident, |$s:ident| $to:expr, |$x:ident| $from:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            fn to_f64(self) -> f64 { let $s = self; $to }
            fn from_f64($x: f64) -> Self { $from }
        }
    )*};
}

element! {
    f32, F32, |s| f64::from(s), |x| x as f32;
    f64, F64, |s| s, |x| x;
    f16, F16, |s| s.to_f64(), |x| f16::from_f64(x);
    bf16, BF16, |s| s.to_f64(), |x| bf16::from_f64(x);
    i8, I8, |s| f64::from(s), |x| x as i8;
    u8, U8, |s| f64::from(s), |x| x as u8;
    i16, I16, |s| f64::from(s), |x| x as i16;
    u16, U16, |s| f64::from(s), |x| x as u16;
    i32, I32, |s| f64::from(s), |x| x as i32;
    u32, U32, |s| f64::from(s), |x| x as u32;
    i64, I64, |s| s as f64, |x| x as i64;
    u64, U64, |s| s as f64, |x| x as u64;
    bool, Bool, |s| f64::from(u8::from(s)), |x| x != 0.0;
    I4, I4, |s| s.to_f64(), |x| I4::from_f64(x);
    U4, U4, |s| s.to_f64(), |x| U4::from_f64(x);
    I2, I2, |s| s.to_f64(), |x| I2::from_f64(x);
    U2, U2, |s| s.to_f64(), |x| U2::from_f64(x);
    F8E4M3, F8E4M3, |s| s.to_f64(), |x| F8E4M3::from_f64(x);
    F8E4M3Uz, F8E4M3Uz, |s| s.to_f64(), |x| F8E4M3Uz::from_f64(x);
    F8E5M2, F8E5M2, |s| s.to_f64(), |x| F8E5M2::from_f64(x);
    F8E5M2Uz, F8E5M2Uz, |s| s.to_f64(), |x| F8E5M2Uz::from_f64(x);
    F8E8M0, F8E8M0, |s| s.to_f64(), |x| F8E8M0::from_f64(x);
    F4E2M1, F4E2M1, |s| s.to_f64(), |x| F4E2M1::from_f64(x);
}
