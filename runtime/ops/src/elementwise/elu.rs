//! `Elu`.

crate::elementwise::unary::float_function_with!("Elu", "x if x >= 0, else alpha * (exp(x) - 1).", [alpha = 1.0], |x| {
    if x >= 0.0 { x } else { alpha * x.exp_m1() }
});
