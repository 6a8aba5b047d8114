//! `Floor`.

crate::elementwise::unary::float_function!("Floor", "Largest integer not above the element.", |x| x.floor());
