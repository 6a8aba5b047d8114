//! `Acosh`.

crate::elementwise::unary::float_function!("Acosh", "Inverse hyperbolic cosine.", |x| x.acosh());
