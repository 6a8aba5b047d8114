//! `qcc-ops`.
