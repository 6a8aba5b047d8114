//! `ReduceMean`.

crate::reduce::over::reduction!("ReduceMean", "Mean over axes.", |values| {
    let (sum, count) = values.fold((0.0, 0u64), |(s, n), v| (s + v, n + 1));
    sum / count as f64
});
