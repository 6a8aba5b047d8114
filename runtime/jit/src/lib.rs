//! `qcc-jit`.
