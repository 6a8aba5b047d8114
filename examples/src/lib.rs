//! `qcc-examples`.
