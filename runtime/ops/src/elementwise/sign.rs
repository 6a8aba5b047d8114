//! `Sign`.

crate::elementwise::unary::number_function!(
    "Sign",
    "-1, 0 or 1.",
    |x| if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    },
    |i| i.signum()
);
