//! `Reciprocal`.

crate::elementwise::unary::float_function!("Reciprocal", "1 / x.", |x| 1.0 / x);
