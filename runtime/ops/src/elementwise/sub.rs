//! `Sub`.

crate::elementwise::binary::arithmetic!("Sub", "Difference, broadcast.", |a, b| a - b, |i, j| i - j);
