//! `Greater`.

crate::elementwise::binary::comparison!("Greater", "a > b.", |a, b| a > b);
