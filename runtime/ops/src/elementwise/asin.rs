//! `Asin`.

crate::elementwise::unary::float_function!("Asin", "Arcsine.", |x| x.asin());
