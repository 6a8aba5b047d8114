//! `Softsign`.

crate::elementwise::unary::float_function!("Softsign", "x / (1 + |x|).", |x| x / (1.0 + x.abs()));
