//! `ReduceSum`.

crate::reduce::over::reduction!("ReduceSum", "Sum over axes.", |values| values.sum());
