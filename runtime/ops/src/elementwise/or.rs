//! `Or`.

crate::elementwise::binary::comparison!("Or", "Logical or.", |a, b| {
    #[allow(clippy::float_cmp, clippy::unnecessary_cast, reason = "bool operands count as 0 and 1")]
    let either = a as f64 != 0.0 || b as f64 != 0.0;
    either
});
