//! `And`.

crate::elementwise::binary::comparison!("And", "Logical and.", |a, b| {
    #[allow(clippy::float_cmp, clippy::unnecessary_cast, reason = "bool operands count as 0 and 1")]
    let both = a as f64 != 0.0 && b as f64 != 0.0;
    both
});
