//! `Erf`.

crate::elementwise::unary::float_function!("Erf", "Error function.", |x| crate::elementwise::error_function::erf(x));
