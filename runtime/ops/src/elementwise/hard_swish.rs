//! `HardSwish`.

crate::elementwise::unary::float_function!("HardSwish", "x * max(0, min(1, x / 6 + 1 / 2)).", |x| x
    * (x / 6.0 + 0.5).clamp(0.0, 1.0));
