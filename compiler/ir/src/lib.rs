//! `qcc-ir`.
