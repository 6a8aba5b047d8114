//! `ReduceMax`.

crate::reduce::over::reduction!("ReduceMax", "Largest element over axes.", |values| values
    .fold(f64::NEG_INFINITY, |m, v| if v > m || v.is_nan() { v } else { m }));
