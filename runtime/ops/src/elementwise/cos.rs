//! `Cos`.

crate::elementwise::unary::float_function!("Cos", "Cosine.", |x| x.cos());
