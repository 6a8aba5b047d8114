//! Dispatch from a runtime element type to generic code.

/// Calls `$body` with the type alias `$t` set to the Rust type of `$dtype`, for the listed groups of types; evaluates to
/// an [`OpError::Unsupported`](crate::OpError) for others.
macro_rules! dispatch {
    (@one $dtype:expr, $t:ident, $body:expr, [$($d:ident => $ty:ty),*], $what:expr) => {
        match $dtype {
            $(qcc_tensor::DType::$d => { type $t = $ty; $body })*
            #[allow(unreachable_patterns, reason = "the list may cover all types")]
            other => Err($crate::OpError::unsupported(format!("{} on {other}", $what))),
        }
    };
    (floats $dtype:expr, $t:ident => $body:expr, $what:expr) => {
        $crate::numeric::dispatch!(@one $dtype, $t, $body, [F32 => f32, F64 => f64, F16 => qcc_tensor::f16, BF16 => qcc_tensor::bf16], $what)
    };
    (ints $dtype:expr, $t:ident => $body:expr, $what:expr) => {
        $crate::numeric::dispatch!(@one $dtype, $t, $body, [I8 => i8, U8 => u8, I16 => i16, U16 => u16, I32 => i32, U32 => u32, I64 => i64, U64 => u64], $what)
    };
    (numbers $dtype:expr, $t:ident => $body:expr, $what:expr) => {
        $crate::numeric::dispatch!(@one $dtype, $t, $body, [F32 => f32, F64 => f64, F16 => qcc_tensor::f16, BF16 => qcc_tensor::bf16,
            I8 => i8, U8 => u8, I16 => i16, U16 => u16, I32 => i32, U32 => u32, I64 => i64, U64 => u64], $what)
    };
    (all $dtype:expr, $t:ident => $body:expr, $what:expr) => {
        $crate::numeric::dispatch!(@one $dtype, $t, $body, [F32 => f32, F64 => f64, F16 => qcc_tensor::f16, BF16 => qcc_tensor::bf16,
            I8 => i8, U8 => u8, I16 => i16, U16 => u16, I32 => i32, U32 => u32, I64 => i64, U64 => u64, Bool => bool], $what)
    };
}

pub(crate) use dispatch;
