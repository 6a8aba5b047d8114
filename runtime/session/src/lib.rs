//! Runs compiled programs.
