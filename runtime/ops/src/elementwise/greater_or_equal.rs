//! `GreaterOrEqual`.

crate::elementwise::binary::comparison!("GreaterOrEqual", "a >= b.", |a, b| a >= b);
