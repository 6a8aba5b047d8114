//! `LessOrEqual`.

crate::elementwise::binary::comparison!("LessOrEqual", "a <= b.", |a, b| a <= b);
