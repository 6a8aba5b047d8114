//! `qcc-diag`.
