//! `Less`.

crate::elementwise::binary::comparison!("Less", "a < b.", |a, b| a < b);
