//! Ops with nested graphs; the graph and the session run them.

pub(crate) mod if_;
pub(crate) mod loop_;
pub(crate) mod scan;
mod stacked;
