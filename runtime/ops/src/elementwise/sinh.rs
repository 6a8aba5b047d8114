//! `Sinh`.

crate::elementwise::unary::float_function!("Sinh", "Hyperbolic sine.", |x| x.sinh());
