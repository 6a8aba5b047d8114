//! `Sin`.

crate::elementwise::unary::float_function!("Sin", "Sine.", |x| x.sin());
