//! `ReduceMin`.

crate::reduce::over::reduction!("ReduceMin", "Smallest element over axes.", |values| values
    .fold(f64::INFINITY, |m, v| if v < m || v.is_nan() { v } else { m }));
