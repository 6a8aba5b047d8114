//! `qcc-egraph`.
