//! `Add`.

crate::elementwise::binary::arithmetic!("Add", "Sum, broadcast.", |a, b| a + b, |i, j| i + j);
