//! `Tan`.

crate::elementwise::unary::float_function!("Tan", "Tangent.", |x| x.tan());
