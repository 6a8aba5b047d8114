//! What the compiler hands to the runtime: kernels, steps, buffers, constants. No machine code and no addresses.
//!
//! A program is complete: shapes are numbers, weights are packed, every byte of working memory has its place in one
//! arena. The artifact stores it; a session compiles its kernels for the CPU it finds and runs the steps in order.

mod check;
mod complete;
mod limits;
mod traffic;

pub use check::{ProgramError, check, check_within};
pub use limits::{GATHERED_ROWS, Limits, Needs};

use crate::Kernel;
use qcc_ops::{Attrs, Block, Op};
use qcc_tensor::TensorType;
use serde::{Deserialize, Serialize};

/// A compiled model, before code generation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    /// Name of the model.
    pub name: String,
    /// Free texts of the model, by key.
    pub metadata: Vec<(String, String)>,
    /// How often the steps run: once for each sample of a batch. If more than once, axis 0 of every input and output has
    /// one place for each.
    pub samples: usize,
    /// Inputs in the model's order.
    pub inputs: Vec<Port>,
    /// Outputs in the model's order, or what the [`tail`](Self::tail) reads. They lie in their buffers when they are
    /// [complete](Self::complete); later steps may write other values there.
    pub outputs: Vec<Port>,
    /// Kernels, each different; steps refer to them by position.
    pub kernels: Vec<Kernel>,
    /// Packed weights and tables; a [`Place::Constant`] is a range of it. Stored apart from the rest of the artifact,
    /// page-aligned, so that it is mapped and not read. The programs of branches share the bytes of the whole.
    #[serde(skip)]
    pub constants: bytes::Bytes,
    /// Buffers; steps refer to them by position.
    pub buffers: Vec<Buffer>,
    /// Size of the arena in bytes.
    pub arena_bytes: usize,
    /// Steps in the order they run.
    pub steps: Vec<Step>,
    /// What follows the steps, if the model's shapes depend on its data.
    pub tail: Option<Tail>,
}

/// Calls whose types are known at run time only. Their inputs are the program's outputs, which then are not those of the
/// model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tail {
    /// The calls.
    pub block: Block,
    /// Names of their results: the model's outputs, in order.
    pub outputs: Vec<String>,
    /// Why they are not compiled: the first of them, and what is known at run time only.
    pub reason: String,
}

/// Index into [`Program::buffers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BufferId(pub u32);

/// A model input or output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Port {
    /// Name in the model.
    pub name: String,
    /// Type, row-major and dense.
    pub ty: TensorType,
    /// Where it lies, one sample at a time; dense.
    pub buffer: BufferId,
}

impl Program {
    /// The bytes of one sample of an input or output.
    pub fn sample_bytes(&self, port: &Port) -> usize {
        port.ty.bytes() / self.samples.max(1)
    }

    /// The predicted time of a run in nanoseconds, on one thread.
    pub fn predicted_ns(&self) -> f64 {
        self.samples as f64 * self.steps.iter().map(|step| step.predicted_ns).sum::<f64>()
    }
}

/// A range of bytes that steps read and write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Buffer {
    /// Name for dumps: the value's name in the model.
    pub name: String,
    /// Bytes, halo and slack included.
    pub bytes: usize,
    /// Where it is.
    pub place: Place,
}

/// Where a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// At this offset of the arena, a multiple of 64.
    Arena(usize),
    /// At this offset of [`Program::constants`], a multiple of 64.
    Constant(usize),
}

/// One thing to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// Name for tables and traces: the node it computes.
    pub name: String,
    /// What to do.
    pub action: Action,
    /// Predicted time in nanoseconds on one thread.
    pub predicted_ns: f64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Why it does not run as a fast kernel, if it does not.
    pub remark: Option<String>,
}

/// Kinds of steps.
#[allow(clippy::large_enum_variant, reason = "a program has a few hundred steps; boxing them would only cost clarity")]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Action {
    /// Runs all tasks of a kernel, split among threads.
    Kernel {
        /// Position in [`Program::kernels`].
        kernel: u32,
        /// One buffer per buffer the kernel declares; the same buffer may stand twice (in place).
        buffers: Vec<BufferId>,
    },
    /// `c = a * b` in f32, through the `gemm` crate; a following kernel applies the body.
    Gemm(Gemm),
    /// Fills the border of an activation buffer with one byte value: `rows` runs of `run` bytes, described by [`Halo`].
    Halo(Halo),
    /// Runs an op on its reference evaluation; buffers are dense.
    Reference {
        /// The op.
        op: Op,
        /// Its canonical attributes.
        attrs: Attrs,
        /// Inputs with their types.
        inputs: Vec<Option<(BufferId, TensorType)>>,
        /// Outputs with their types.
        outputs: Vec<(BufferId, TensorType)>,
    },
    /// Runs one of two programs; their inputs are the captured buffers in order, their outputs are copied out.
    If {
        /// One byte: 0 or 1.
        condition: BufferId,
        /// Captured values.
        captures: Vec<BufferId>,
        /// Results.
        outputs: Vec<BufferId>,
        /// Run if the condition is 1.
        #[serde(deserialize_with = "qcc_ops::nesting::within")]
        then_branch: Box<Program>,
        /// Run if it is 0.
        #[serde(deserialize_with = "qcc_ops::nesting::within")]
        else_branch: Box<Program>,
    },
    /// Copies bytes between two buffers of equal size (an alias that could not be kept).
    Copy {
        /// Source.
        from: BufferId,
        /// Destination.
        to: BufferId,
        /// How many.
        bytes: usize,
    },
}

/// A float matrix product, possibly batched. Strides count elements.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gemm {
    /// Number of products; every operand advances by its `batch` stride.
    pub batch: usize,
    /// Rows of `a` and `c`.
    pub m: usize,
    /// Columns of `b` and `c`.
    pub n: usize,
    /// Columns of `a`, rows of `b`.
    pub k: usize,
    /// Left operand.
    pub a: Matrix,
    /// Right operand.
    pub b: Matrix,
    /// Result, overwritten.
    pub c: Matrix,
    /// Set for a convolution that is not 1x1 with stride 1: how rows of `a` are gathered from an activation buffer, one
    /// block of rows at a time (im2col); then `a` names the activation buffer.
    pub im2col: Option<Im2Col>,
}

/// An operand of a [`Gemm`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Matrix {
    /// Where it is.
    pub buffer: BufferId,
    /// First element.
    pub offset: usize,
    /// Elements between rows.
    pub row: usize,
    /// Elements between columns.
    pub column: usize,
    /// Elements between products of a batch.
    pub batch: usize,
}

/// Gathering of convolution windows from a dense channels-last f32 activation `[n, h, w, c]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Im2Col {
    /// `[n, h, w, c]` of the input.
    pub input: [usize; 4],
    /// `[h, w]` of the output; the product has `n * h * w` rows.
    pub output: [usize; 2],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Strides.
    pub strides: [usize; 2],
    /// Dilations.
    pub dilations: [usize; 2],
    /// Zeros before the first row and column.
    pub pads: [usize; 2],
    /// First channel and number of channels of the group.
    pub channels: [usize; 2],
}

/// The border of a channels-last activation buffer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Halo {
    /// The buffer.
    pub buffer: BufferId,
    /// Byte value, repeated.
    pub value: u8,
    /// Ranges of bytes `start..end` to fill.
    pub ranges: Vec<(usize, usize)>,
}
