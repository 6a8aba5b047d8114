//! `qcc-dsl`.
