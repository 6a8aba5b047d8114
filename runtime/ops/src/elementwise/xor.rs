//! `Xor`.

crate::elementwise::binary::comparison!("Xor", "Logical exclusive or.", |a, b| {
    #[allow(clippy::float_cmp, clippy::unnecessary_cast, reason = "bool operands count as 0 and 1")]
    let one = (a as f64 != 0.0) != (b as f64 != 0.0);
    one
});
