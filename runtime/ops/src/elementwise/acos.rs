//! `Acos`.

crate::elementwise::unary::float_function!("Acos", "Arccosine.", |x| x.acos());
