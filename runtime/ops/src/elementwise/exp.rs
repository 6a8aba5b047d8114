//! `Exp`.

crate::elementwise::unary::float_function!("Exp", "Natural exponential.", |x| x.exp());
