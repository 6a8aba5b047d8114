//! Normalisations, softmax, dropout.

pub(crate) mod batch_normalization;
pub(crate) mod dropout;
pub(crate) mod layer_normalization;
pub(crate) mod softmax;
