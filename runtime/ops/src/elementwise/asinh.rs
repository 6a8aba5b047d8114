//! `Asinh`.

crate::elementwise::unary::float_function!("Asinh", "Inverse hyperbolic sine.", |x| x.asinh());
