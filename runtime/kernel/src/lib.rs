//! `qcc-kernel`.
