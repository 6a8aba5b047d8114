//! `Softplus`.

crate::elementwise::unary::float_function!("Softplus", "ln(exp(x) + 1).", |x| x.max(0.0) + (-x.abs()).exp().ln_1p());
