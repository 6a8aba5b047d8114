//! `Abs`.

crate::elementwise::unary::number_function!("Abs", "Absolute value.", |x| x.abs(), |i| i.abs());
