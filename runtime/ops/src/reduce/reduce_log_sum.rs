//! `ReduceLogSum`.

crate::reduce::over::reduction!("ReduceLogSum", "Logarithm of the sum over axes.", |values| values.sum::<f64>().ln());
