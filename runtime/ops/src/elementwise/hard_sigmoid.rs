//! `HardSigmoid`.

crate::elementwise::unary::float_function_with!(
    "HardSigmoid",
    "max(0, min(1, alpha * x + beta)).",
    [alpha = 0.2, beta = 0.5],
    |x| (alpha * x + beta).clamp(0.0, 1.0)
);
