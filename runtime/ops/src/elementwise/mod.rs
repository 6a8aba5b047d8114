//! Ops that compute each element from the elements at the same (broadcast) index.

pub(crate) mod relu;
