//! `ThresholdedRelu`.

crate::elementwise::unary::float_function_with!(
    "ThresholdedRelu",
    "x where it is above alpha, 0 elsewhere.",
    [alpha = 1.0],
    |x| if x > alpha { x } else { 0.0 }
);
