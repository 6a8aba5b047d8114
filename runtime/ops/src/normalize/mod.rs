//! Normalisations, softmax, dropout.

mod along;
pub(crate) mod batch_normalization;
pub(crate) mod dropout;
pub(crate) mod group_normalization;
pub(crate) mod hardmax;
pub(crate) mod instance_normalization;
pub(crate) mod layer_normalization;
pub(crate) mod log_softmax;
pub(crate) mod lp_normalization;
pub(crate) mod lrn;
pub(crate) mod mean_variance_normalization;
pub(crate) mod rms_normalization;
pub(crate) mod softmax;
