//! Ops on signals: windows, transforms, filters.

pub(crate) mod blackman_window;
pub(crate) mod dft;
pub(crate) mod hamming_window;
pub(crate) mod hann_window;
pub(crate) mod mel_weight_matrix;
mod scalar;
mod spectrum;
pub(crate) mod stft;
mod window;
