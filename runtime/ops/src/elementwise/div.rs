//! `Div`.

crate::elementwise::binary::arithmetic!(
    "Div",
    "Quotient, broadcast; integers truncate towards zero, and division of an integer by zero is zero.",
    |a, b| a / b,
    |i, j| if j == 0 { 0 } else { i / j }
);
