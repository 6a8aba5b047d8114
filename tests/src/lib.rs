//! Suites over the whole program; see `tests/`.
