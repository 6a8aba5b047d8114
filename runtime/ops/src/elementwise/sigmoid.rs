//! `Sigmoid`.

crate::elementwise::unary::float_function!("Sigmoid", "Logistic function 1 / (1 + exp(-x)).", |x| 1.0
    / (1.0 + (-x).exp()));
