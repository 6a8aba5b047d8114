//! `Log`.

crate::elementwise::unary::float_function!("Log", "Natural logarithm.", |x| x.ln());
