//! `Mish`.

crate::elementwise::unary::float_function!("Mish", "x * tanh(ln(1 + exp(x))).", |x| x
    * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh());
