//! `Swish`.

crate::elementwise::unary::float_function_with!("Swish", "x * sigmoid(alpha * x).", [alpha = 1.0], |x| x
    / (1.0 + (-alpha * x).exp()));
