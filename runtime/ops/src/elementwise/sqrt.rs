//! `Sqrt`.

crate::elementwise::unary::float_function!("Sqrt", "Square root.", |x| x.sqrt());
