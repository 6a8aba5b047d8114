//! `Relu`.

crate::elementwise::unary::number_function!(
    "Relu",
    "The larger of the element and zero; NaN stays NaN.",
    |x| if x < 0.0 { 0.0 } else { x },
    |i| i.max(0)
);
