//! `ReduceSumSquare`.

crate::reduce::over::reduction!("ReduceSumSquare", "Sum of squares over axes.", |values| values.map(|v| v * v).sum());
