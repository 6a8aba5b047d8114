//! `qcc-tensor`.
