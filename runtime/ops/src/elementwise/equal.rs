//! `Equal`.

crate::elementwise::binary::comparison!("Equal", "a == b.", |a, b| a == b);
