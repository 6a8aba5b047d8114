//! `BitwiseAnd`.

crate::elementwise::bitwise::bitwise!("BitwiseAnd", "Bits that both operands have.", |i, j| i & j);
