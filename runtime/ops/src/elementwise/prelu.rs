//! `PRelu`.

crate::elementwise::binary::arithmetic!(
    "PRelu",
    "x where x >= 0, else slope * x; the slope broadcasts.",
    |a, b| if a >= 0.0 { a } else { a * b },
    |i, j| if i >= 0 { i } else { i.wrapping_mul(j) }
);
