//! `Atanh`.

crate::elementwise::unary::float_function!("Atanh", "Inverse hyperbolic tangent.", |x| x.atanh());
