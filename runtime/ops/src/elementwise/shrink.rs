//! `Shrink`.

crate::elementwise::unary::float_function_with!(
    "Shrink",
    "x + bias below -lambd, x - bias above lambd, 0 between.",
    [bias = 0.0, lambd = 0.5],
    |x| if x < -lambd {
        x + bias
    } else if x > lambd {
        x - bias
    } else {
        0.0
    }
);
