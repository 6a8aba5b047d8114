//! Why a session cannot be made or a run fails.

use qcc_jit::JitError;
use qcc_kernel::InterpretError;
use qcc_kernel::program::ProgramError;
use qcc_ops::OpError;
use qcc_tensor::TensorType;
use thiserror::Error;

/// Why a session cannot be made or a run fails.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The program breaks its rules.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A kernel cannot be compiled for this CPU.
    #[error(transparent)]
    Jit(#[from] JitError),
    /// The thread pool cannot be started.
    #[error("cannot start {threads} threads: {why}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        why: String,
    },
    /// The machine does not have the memory.
    #[error("{bytes} bytes of memory cannot be had")]
    Memory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The caller passed another number of inputs or outputs than the model has.
    #[error("the model has {expected} {what}, {got} were given")]
    Count {
        /// `inputs` or `outputs`.
        what: &'static str,
        /// Of the model.
        expected: usize,
        /// Given.
        got: usize,
    },
    /// An input or output does not have the type or size of the model's.
    #[error("{port} must be {expected}, {got} was given")]
    Mismatch {
        /// ``input `x` ``.
        port: String,
        /// The model's type.
        expected: TensorType,
        /// What was given.
        got: String,
    },
    /// The interpreter stopped: a kernel breaks the promises of its generator, or numbers of its file do.
    #[error("step `{step}`: {error}")]
    Interpret {
        /// Name of the step.
        step: String,
        /// What happened.
        error: InterpretError,
    },
    /// A call whose types follow from data refused its values.
    #[error("{0}")]
    Tail(OpError),
    /// An op refused to be evaluated on these values.
    #[error("step `{step}`: {error}")]
    Op {
        /// Name of the step.
        step: String,
        /// What the op says.
        error: OpError,
    },
}
