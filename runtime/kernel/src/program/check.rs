//! Checks a program before anything trusts it: every range lies inside its buffer, every kernel is accepted by the
//! kernel verifier and called with buffers that are large enough. What passes here touches no memory but its own.

use super::limits::{Limits, Needs};
use super::{Action, BufferId, Gemm, Halo, Im2Col, Matrix, Place, Port, Program, Tail};
use crate::{BUFFER_ALIGN, BufferKind, Verified, VerifyError, verify};
use qcc_ops::{Attrs, InferInput, Op, OpError};
use qcc_tensor::{Tensor, TensorType};
use thiserror::Error;

/// How deep branches may nest: far beyond real models, far below what the stack holds.
const MAX_DEPTH: usize = 16;

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// A kernel breaks the rules of the kernel IR.
    #[error(transparent)]
    Kernel(#[from] VerifyError),
    /// A buffer does not lie where a buffer may lie.
    #[error("buffer {buffer} (`{name}`): {what}")]
    Buffer {
        /// Position of the buffer.
        buffer: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A model input or output does not fit its buffer.
    #[error("{port}: {what}")]
    Port {
        /// `input x` or `output y`.
        port: String,
        /// What is wrong.
        what: String,
    },
    /// A step names something that is not there or does not fit.
    #[error("step {step} (`{name}`): {what}")]
    Step {
        /// Position of the step.
        step: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// What follows the steps is wrong.
    #[error("the calls after the steps: {0}")]
    Tail(String),
    /// Steps cannot run once for each sample.
    #[error("samples: {0}")]
    Samples(String),
    /// The program asks for more than it may have.
    #[error("it needs {needs} {what}, the limit is {limit}")]
    Limit {
        /// What there is too much of, with its unit.
        what: &'static str,
        /// How much the program needs, at most.
        needs: u64,
        /// How much it may have.
        limit: u64,
    },
    /// A branch of a step is wrong.
    #[error("step {step} (`{name}`), {branch} branch: {error}")]
    Branch {
        /// Position of the step.
        step: usize,
        /// Its name.
        name: String,
        /// `then` or `else`.
        branch: &'static str,
        /// What is wrong in it.
        error: Box<ProgramError>,
    },
}

/// Checks buffers, ports, kernels and steps, those of branches included. For programs of the compiler: they may be of any
/// size.
///
/// # Errors
/// The first violation found.
pub fn check(program: &Program) -> Result<(), ProgramError> {
    check_within(program, &Limits::NONE).map(|_| ())
}

/// As [`check`], for programs that come from somewhere: they may not need more than the limits.
///
/// # Errors
/// The first violation found.
pub fn check_within(program: &Program, limits: &Limits) -> Result<Needs, ProgramError> {
    let needs = check_nested(program, limits, 0)?;
    limits.check(&needs)?;
    Ok(needs)
}

fn check_nested(program: &Program, limits: &Limits, depth: usize) -> Result<Needs, ProgramError> {
    let mut needs = Needs { memory: program.arena_bytes as u64, ..Needs::default() };
    // What follows is proportional to what was allowed so far.
    limits.check(&needs)?;
    for (buffer, b) in program.buffers.iter().enumerate() {
        let fault = |what| ProgramError::Buffer { buffer, name: b.name.clone(), what };
        let (offset, limit, place) = match b.place {
            Place::Arena(offset) => (offset, program.arena_bytes, "arena"),
            Place::Constant(offset) => (offset, program.constants.len(), "constants"),
        };
        if !offset.is_multiple_of(BUFFER_ALIGN) {
            return Err(fault(format!("offset {offset} is not a multiple of {BUFFER_ALIGN}")));
        }
        if offset.checked_add(b.bytes).is_none_or(|end| end > limit) {
            return Err(fault(format!("{} bytes at {offset} leave the {place} of {limit} bytes", b.bytes)));
        }
    }
    let kernels: Vec<Verified> = program.kernels.iter().map(verify).collect::<Result<_, _>>()?;
    needs.instructions = kernels.iter().map(|k| k.instructions as u64).sum();
    limits.check(&needs)?;
    let checker = Checker { program };
    let ports = [("input", &program.inputs), ("output", &program.outputs)];
    for (kind, port) in ports.into_iter().flat_map(|(kind, list)| list.iter().map(move |p| (kind, p))) {
        let written = kind == "input";
        checker
            .port(port, written)
            .map_err(|what| ProgramError::Port { port: format!("{kind} {}", port.name), what })?;
    }
    if program.samples != 1 && (depth > 0 || program.tail.is_some()) {
        return Err(ProgramError::Samples("a branch, or a program with calls after its steps, runs once".into()));
    }
    if let Some(tail) = &program.tail {
        if depth > 0 {
            return Err(ProgramError::Tail("a branch has none".into()));
        }
        check_tail(program, tail).map_err(ProgramError::Tail)?;
    }
    for (i, step) in program.steps.iter().enumerate() {
        let fault = |what| ProgramError::Step { step: i, name: step.name.clone(), what };
        checker.action(&step.action).map_err(fault)?;
        needs.add_step(&step.action, &kernels);
        let Action::If { captures, outputs, then_branch, else_branch, .. } = &step.action else { continue };
        if depth == MAX_DEPTH {
            return Err(fault(format!("branches nest deeper than {MAX_DEPTH}")));
        }
        for (branch, nested) in [("then", then_branch), ("else", else_branch)] {
            let within = |error| match error {
                ProgramError::Limit { .. } => error,
                _ => ProgramError::Branch { step: i, name: step.name.clone(), branch, error: Box::new(error) },
            };
            let nested_needs = check_nested(nested, limits, depth + 1).map_err(within)?;
            checker.branch(nested, captures, outputs).map_err(|what| fault(format!("{branch} branch: {what}")))?;
            needs.add(&nested_needs);
        }
    }
    needs.work = needs.work.max(1).saturating_mul(program.samples as u64);
    Ok(needs)
}

fn check_tail(program: &Program, tail: &Tail) -> Result<(), String> {
    let (given, read) = (program.outputs.len(), tail.block.inputs as usize);
    if given != read {
        return Err(format!("they read {read} values, the steps give {given}"));
    }
    if tail.outputs.len() != tail.block.outputs.len() {
        return Err(format!("{} names for {} results", tail.outputs.len(), tail.block.outputs.len()));
    }
    tail.block.check()
}

struct Checker<'p> {
    program: &'p Program,
}

impl Checker<'_> {
    fn port(&self, port: &Port, written: bool) -> Result<(), String> {
        let samples = self.program.samples;
        let mut ty = port.ty.clone();
        if samples != 1 {
            match ty.shape.first_mut() {
                Some(first) if *first == samples && samples > 0 => *first = 1,
                _ => return Err(format!("axis 0 of {ty} does not hold {samples} samples")),
            }
        }
        if !port.ty.fits_memory() {
            return Err(format!("{} is larger than memory", port.ty));
        }
        self.typed(port.buffer, &ty)?;
        if written { self.writable(port.buffer) } else { Ok(()) }
    }

    fn action(&self, action: &Action) -> Result<(), String> {
        match action {
            Action::Kernel { kernel, buffers } => self.kernel(*kernel, buffers),
            Action::Gemm(gemm) => self.gemm(gemm),
            Action::Halo(halo) => self.halo(halo),
            Action::Reference { op, attrs, inputs, outputs } => self.reference(*op, attrs, inputs, outputs),
            Action::If { condition, captures, outputs, .. } => {
                self.holds(*condition, 1)?;
                captures.iter().try_for_each(|&b| self.bytes(b).map(|_| ()))?;
                for (i, &output) in outputs.iter().enumerate() {
                    self.writable(output)?;
                    captures.iter().chain([condition]).chain(&outputs[..i]).try_for_each(|&b| self.apart(output, b))?;
                }
                Ok(())
            }
            Action::Copy { from, to, bytes } => {
                self.holds(*from, *bytes)?;
                self.holds(*to, *bytes)?;
                self.writable(*to)
            }
        }
    }

    /// An op is evaluated only as its own inference types it: what evaluation relies on.
    fn reference(
        &self,
        op: Op,
        attrs: &Attrs,
        inputs: &[Option<(BufferId, TensorType)>],
        outputs: &[(BufferId, TensorType)],
    ) -> Result<(), String> {
        for (buffer, ty) in inputs.iter().flatten() {
            self.typed(*buffer, ty)?;
        }
        for (buffer, ty) in outputs {
            self.typed(*buffer, ty)?;
            self.writable(*buffer)?;
        }
        let values: Vec<Option<Tensor>> =
            inputs.iter().map(|input| input.as_ref().and_then(|(buffer, ty)| self.constant(*buffer, ty))).collect();
        let given: Vec<Option<InferInput<'_>>> = inputs
            .iter()
            .zip(&values)
            .map(|(input, value)| input.as_ref().map(|(_, ty)| InferInput { ty, value: value.as_ref() }))
            .collect();
        let types = match op.infer(&given, &mut attrs.clone(), outputs.len()) {
            Ok(types) => types,
            // It is typed when its inputs are there.
            Err(OpError::Dynamic(_)) => return Ok(()),
            Err(e) => return Err(format!("{op}: {e}")),
        };
        match types.iter().zip(outputs).find(|(ty, (_, planned))| *ty != planned) {
            Some((ty, (_, planned))) => Err(format!("{op} gives {ty}, {planned} is planned")),
            None if types.len() < outputs.len() => Err(format!("{op} has {} outputs", types.len())),
            None => Ok(()),
        }
    }

    /// The value of a typed buffer, if it is constant.
    fn constant(&self, buffer: BufferId, ty: &TensorType) -> Option<Tensor> {
        match self.program.buffers.get(buffer.0 as usize)?.place {
            Place::Arena(_) => None,
            Place::Constant(offset) => {
                let bytes = self.program.constants.slice(offset..offset + ty.bytes());
                Tensor::from_bytes(ty.clone(), bytes).ok()
            }
        }
    }

    fn kernel(&self, kernel: u32, buffers: &[BufferId]) -> Result<(), String> {
        let kernels = &self.program.kernels;
        let kernel = kernels
            .get(kernel as usize)
            .ok_or_else(|| format!("kernel {kernel} is not there; the program has {}", kernels.len()))?;
        if kernel.buffers.len() != buffers.len() {
            return Err(format!(
                "kernel {} takes {} buffers, got {}",
                kernel.name,
                kernel.buffers.len(),
                buffers.len()
            ));
        }
        for (decl, &buffer) in kernel.buffers.iter().zip(buffers) {
            let operand = |what: String| format!("operand `{}` of kernel {}: {what}", decl.name, kernel.name);
            self.holds(buffer, decl.bytes).map_err(operand)?;
            if decl.align > BUFFER_ALIGN || !decl.align.is_power_of_two() {
                return Err(operand(format!("alignment {} cannot be given", decl.align)));
            }
            if matches!(decl.kind, BufferKind::Out | BufferKind::Scratch) {
                self.writable(buffer).map_err(operand)?;
            }
        }
        Ok(())
    }

    fn gemm(&self, gemm: &Gemm) -> Result<(), String> {
        let Gemm { batch, m, n, k, a, b, c, im2col } = gemm;
        self.writable(c.buffer)?;
        self.apart(c.buffer, a.buffer)?;
        self.apart(c.buffer, b.buffer)?;
        self.matrix("c", c, [*batch, *m, *n])?;
        if !injective([(*batch, c.batch), (*m, c.row), (*n, c.column)]) {
            return Err("elements of matrix c share their places".into());
        }
        self.matrix("b", b, [*batch, *k, *n])?;
        match im2col {
            None => self.matrix("a", a, [*batch, *m, *k]),
            Some(window) => self.window(window, gemm),
        }
    }

    fn matrix(&self, name: &str, x: &Matrix, sizes: [usize; 3]) -> Result<(), String> {
        let strides = [x.batch, x.row, x.column];
        let last = sizes.iter().zip(strides).try_fold(x.offset, |at, (size, stride)| {
            size.saturating_sub(1).checked_mul(stride).and_then(|reach| at.checked_add(reach))
        });
        let bytes = last.and_then(|at| at.checked_add(1)).and_then(|n| n.checked_mul(size_of::<f32>()));
        let bytes = bytes.ok_or_else(|| format!("matrix {name} is larger than memory"))?;
        if sizes.contains(&0) {
            return self.bytes(x.buffer).map(|_| ());
        }
        self.holds(x.buffer, bytes).map_err(|what| format!("matrix {name}: {what}"))
    }

    fn window(&self, w: &Im2Col, gemm: &Gemm) -> Result<(), String> {
        let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |p, &s| p.checked_mul(s));
        let bytes = product(&w.input).and_then(|n| n.checked_mul(size_of::<f32>()));
        let bytes = bytes.ok_or("the convolution's input is larger than memory")?;
        self.holds(gemm.a.buffer, bytes)?;
        if w.channels[0].checked_add(w.channels[1]).is_none_or(|end| end > w.input[3]) {
            return Err(format!("channels {:?} of {}", w.channels, w.input[3]));
        }
        if gemm.batch != 1 || gemm.a.offset != 0 {
            return Err("a gathered product has one batch and starts at 0".into());
        }
        // Row and column numbers are computed as `position * stride + tap * dilation - pad` in i64.
        let numbers = [w.input, [w.output[0], w.output[1], w.kernel[0], w.kernel[1]]].concat();
        let steps = [w.strides, w.dilations, w.pads].concat();
        if numbers.iter().chain(&steps).any(|&x| x > i32::MAX as usize / 2) {
            return Err("the convolution's geometry is out of range".into());
        }
        let rows = product(&[w.input[0], w.output[0], w.output[1]]);
        let columns = product(&[w.kernel[0], w.kernel[1], w.channels[1]]);
        if rows != Some(gemm.m) || columns != Some(gemm.k) {
            return Err(format!("windows give {rows:?} x {columns:?}, the product is {} x {}", gemm.m, gemm.k));
        }
        Ok(())
    }

    fn halo(&self, halo: &Halo) -> Result<(), String> {
        let size = self.bytes(halo.buffer)?;
        self.writable(halo.buffer)?;
        match halo.ranges.iter().find(|(start, end)| start > end || *end > size) {
            Some((start, end)) => Err(format!("border {start}..{end} leaves the buffer of {size} bytes")),
            None => Ok(()),
        }
    }

    fn branch(&self, nested: &Program, captures: &[BufferId], outputs: &[BufferId]) -> Result<(), String> {
        for (kind, ports, buffers) in [("captures", &nested.inputs, captures), ("results", &nested.outputs, outputs)] {
            if ports.len() != buffers.len() {
                return Err(format!("{} {kind}, {} expected", buffers.len(), ports.len()));
            }
            for (port, &buffer) in ports.iter().zip(buffers) {
                self.typed(buffer, &port.ty).map_err(|what| format!("`{}`: {what}", port.name))?;
            }
        }
        Ok(())
    }

    fn typed(&self, buffer: BufferId, ty: &TensorType) -> Result<(), String> {
        if !ty.fits_memory() {
            return Err(format!("{ty} is larger than memory"));
        }
        self.holds(buffer, ty.bytes()).map_err(|what| format!("{ty}: {what}"))
    }

    fn holds(&self, buffer: BufferId, bytes: usize) -> Result<(), String> {
        let size = self.bytes(buffer)?;
        if bytes > size {
            let name = &self.program.buffers[buffer.0 as usize].name;
            return Err(format!("needs {bytes} bytes, buffer {} (`{name}`) has {size}", buffer.0));
        }
        Ok(())
    }

    fn bytes(&self, buffer: BufferId) -> Result<usize, String> {
        let buffers = &self.program.buffers;
        let found = buffers.get(buffer.0 as usize);
        found.map(|b| b.bytes).ok_or_else(|| format!("buffer {} is not there; there are {}", buffer.0, buffers.len()))
    }

    /// Whether two buffers have no byte in common.
    fn apart(&self, a: BufferId, b: BufferId) -> Result<(), String> {
        let span = |id: BufferId| -> Result<_, String> {
            let bytes = self.bytes(id)?;
            Ok(match self.program.buffers[id.0 as usize].place {
                Place::Arena(offset) => Some(offset..offset + bytes),
                Place::Constant(_) => None,
            })
        };
        match (span(a)?, span(b)?) {
            (Some(x), Some(y)) if x.start < y.end && y.start < x.end => {
                Err(format!("buffers {} and {} overlap, one is written while the other is read", a.0, b.0))
            }
            _ => Ok(()),
        }
    }

    fn writable(&self, buffer: BufferId) -> Result<(), String> {
        self.bytes(buffer)?;
        match self.program.buffers[buffer.0 as usize].place {
            Place::Arena(_) => Ok(()),
            Place::Constant(_) => Err(format!("writes to buffer {}, which is constant", buffer.0)),
        }
    }
}

/// Whether no two indices of these `(size, stride)` axes name the same element, as far as sorted strides show it.
fn injective(axes: [(usize, usize); 3]) -> bool {
    if axes.iter().any(|&(size, _)| size == 0) {
        return true;
    }
    let mut axes: Vec<(usize, usize)> = axes.into_iter().filter(|&(size, _)| size > 1).collect();
    axes.sort_by_key(|&(_, stride)| stride);
    let mut reach = 0usize;
    axes.into_iter().all(|(size, stride)| {
        let apart = stride > reach;
        reach = reach.saturating_add((size - 1).saturating_mul(stride));
        apart
    })
}
