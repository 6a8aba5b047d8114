//! `Neg`.

crate::elementwise::unary::number_function!("Neg", "Negation.", |x| -x, |i| -i);
