//! Ops with nested graphs; the graph and the session run them.

pub(crate) mod if_;
