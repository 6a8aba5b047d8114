//! `ReduceL2`.

crate::reduce::over::reduction!("ReduceL2", "Euclidean norm over axes.", |values| values
    .map(|v| v * v)
    .sum::<f64>()
    .sqrt());
