//! `Tanh`.

crate::elementwise::unary::float_function!("Tanh", "Hyperbolic tangent.", |x| x.tanh());
