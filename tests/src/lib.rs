//! `qcc-tests`.
