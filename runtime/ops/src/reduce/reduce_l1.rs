//! `ReduceL1`.

crate::reduce::over::reduction!("ReduceL1", "Sum of magnitudes over axes.", |values| values.map(f64::abs).sum());
