//! `Pow`.

crate::elementwise::binary::arithmetic!("Pow", "Power, broadcast.", |a, b| a.powf(b), |i, j| if j < 0 {
    0
} else {
    i.wrapping_pow(u32::try_from(j).unwrap_or(u32::MAX))
});
