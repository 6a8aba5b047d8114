//! `Round`.

crate::elementwise::unary::float_function!("Round", "Nearest integer, ties to even.", |x| x.round_ties_even());
