//! `qcc-lower`.
