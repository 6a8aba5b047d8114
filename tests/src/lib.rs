//! Suites over the whole program; see `tests/`. Here is what several of them need.

pub mod damage;
pub mod patience;
pub mod targets;
