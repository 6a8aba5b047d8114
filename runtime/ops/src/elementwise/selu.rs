//! `Selu`.

crate::elementwise::unary::float_function_with!(
    "Selu",
    "gamma * (x if x > 0, else alpha * (exp(x) - 1)).",
    [alpha = 1.673_263_2, gamma = 1.050_701],
    |x| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() }
);
