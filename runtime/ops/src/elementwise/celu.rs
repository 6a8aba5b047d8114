//! `Celu`.

crate::elementwise::unary::float_function_with!(
    "Celu",
    "max(0, x) + min(0, alpha * (exp(x / alpha) - 1)).",
    [alpha = 1.0],
    |x| x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0)
);
