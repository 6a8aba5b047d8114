//! `BitwiseOr`.

crate::elementwise::bitwise::bitwise!("BitwiseOr", "Bits that one of the operands has.", |i, j| i | j);
