//! `Atan`.

crate::elementwise::unary::float_function!("Atan", "Arctangent.", |x| x.atan());
