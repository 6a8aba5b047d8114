//! `Ceil`.

crate::elementwise::unary::float_function!("Ceil", "Smallest integer not below the element.", |x| x.ceil());
