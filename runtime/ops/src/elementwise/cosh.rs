//! `Cosh`.

crate::elementwise::unary::float_function!("Cosh", "Hyperbolic cosine.", |x| x.cosh());
