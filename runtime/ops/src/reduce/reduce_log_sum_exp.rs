//! `ReduceLogSumExp`.

crate::reduce::over::reduction!("ReduceLogSumExp", "Logarithm of the sum of exponentials over axes.", |values| {
    let all: Vec<f64> = values.collect();
    let top = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top.is_infinite() { top } else { top + all.iter().map(|v| (v - top).exp()).sum::<f64>().ln() }
});
