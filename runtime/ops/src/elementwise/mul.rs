//! `Mul`.

crate::elementwise::binary::arithmetic!("Mul", "Product, broadcast.", |a, b| a * b, |i, j| i.wrapping_mul(j));
