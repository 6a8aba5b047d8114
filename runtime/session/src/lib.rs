//! `qcc-session`.
