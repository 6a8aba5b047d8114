//! Why a model cannot be quantized.

use qcc_session::SessionError;

/// Why a model cannot be quantized.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// The samples or the options are wrong, as the message says.
    #[error("{0}")]
    Input(String),
    /// A sample cannot be run.
    #[error("sample {sample}: {error}")]
    Run {
        /// Which sample.
        sample: usize,
        /// Why.
        error: SessionError,
    },
    /// A graph made here cannot be compiled.
    #[error("{0}")]
    Compile(String),
}
