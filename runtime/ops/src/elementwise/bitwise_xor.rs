//! `BitwiseXor`.

crate::elementwise::bitwise::bitwise!("BitwiseXor", "Bits that exactly one of the operands has.", |i, j| i ^ j);
