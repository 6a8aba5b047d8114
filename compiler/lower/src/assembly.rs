//! A program under construction: steps name buffers, which get their places at the end.

use crate::arena::{Interval, plan};
use crate::constants::Constants;
use crate::kernels::layout::SLACK;
use bytes::Bytes;
use indexmap::IndexSet;
use qcc_kernel::Kernel;
use qcc_kernel::program::{Action, Buffer, BufferId, Place, Port, Program, Step};

/// A program under construction. Branches of one program share its constants.
pub struct Assembly<'c> {
    constants: &'c mut Constants,
    kernels: IndexSet<Kernel>,
    buffers: Vec<Virtual>,
    steps: Vec<Step>,
}

/// A buffer without an address.
struct Virtual {
    name: String,
    bytes: usize,
    /// Its contents, if it is a constant. They are stored if a step reads them: weights that kernels read in an order of their
    /// own are not.
    constant: Option<Bytes>,
}

impl<'c> Assembly<'c> {
    /// An empty program.
    pub fn new(constants: &'c mut Constants) -> Assembly<'c> {
        Assembly { constants, kernels: IndexSet::new(), buffers: Vec::new(), steps: Vec::new() }
    }

    /// A buffer for `bytes` bytes, with slack behind.
    pub fn buffer(&mut self, name: &str, bytes: usize) -> BufferId {
        self.declare(Virtual { name: name.into(), bytes: bytes + SLACK, constant: None })
    }

    /// A buffer with constant contents, with slack behind.
    pub fn constant(&mut self, name: &str, contents: impl Into<Bytes>) -> BufferId {
        let contents = contents.into();
        self.declare(Virtual { name: name.into(), bytes: contents.len() + SLACK, constant: Some(contents) })
    }

    fn declare(&mut self, buffer: Virtual) -> BufferId {
        self.buffers.push(buffer);
        BufferId(self.buffers.len() as u32 - 1)
    }

    /// Makes a buffer at least as large as `bytes`.
    pub fn reserve(&mut self, buffer: BufferId, bytes: usize) {
        let buffer = &mut self.buffers[buffer.0 as usize];
        buffer.bytes = buffer.bytes.max(bytes);
    }

    /// Position of a kernel; equal kernels are one.
    pub fn kernel(&mut self, kernel: Kernel) -> u32 {
        self.kernels.insert_full(kernel).0 as u32
    }

    /// Appends a step.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Whether a buffer holds a constant.
    pub fn is_constant(&self, buffer: BufferId) -> bool {
        self.buffers[buffer.0 as usize].constant.is_some()
    }

    /// The constants, for branches.
    pub fn constants(&mut self) -> &mut Constants {
        self.constants
    }

    /// Gives every buffer its place.
    pub fn finish(self, name: &str, inputs: Vec<Port>, outputs: Vec<Port>) -> Program {
        let mut lives: Vec<Option<(usize, usize)>> = vec![None; self.buffers.len()];
        let mut used = |buffer: BufferId, at: usize| {
            let life = &mut lives[buffer.0 as usize];
            *life = Some(life.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        };
        inputs.iter().for_each(|port| used(port.buffer, 0));
        for (i, step) in self.steps.iter().enumerate() {
            operands(&step.action, &mut |buffer| used(buffer, i + 1));
        }
        // An output is read when its last step has written it. One that no step writes is a constant.
        outputs.iter().for_each(|port| _ = lives[port.buffer.0 as usize].get_or_insert((0, 0)));
        let intervals: Vec<Interval> = self
            .buffers
            .iter()
            .zip(&lives)
            .map(|(buffer, life)| {
                let bytes = if buffer.constant.is_some() || life.is_none() { 0 } else { buffer.bytes };
                let (first, last) = life.unwrap_or((0, 0));
                Interval { bytes, first, last }
            })
            .collect();
        let plan = plan(&intervals);
        let buffers = self.buffers.into_iter().zip(plan.offsets).zip(&lives).map(|((buffer, offset), life)| {
            let place = match buffer.constant.filter(|_| life.is_some()) {
                Some(contents) => Place::Constant(self.constants.add(&contents)),
                None => Place::Arena(offset),
            };
            Buffer { name: buffer.name, bytes: if life.is_some() { buffer.bytes } else { 0 }, place }
        });
        let buffers: Vec<Buffer> = buffers.collect();
        Program {
            name: name.into(),
            samples: 1,
            metadata: Vec::new(),
            inputs,
            outputs,
            kernels: self.kernels.into_iter().collect(),
            constants: bytes::Bytes::new(),
            buffers,
            arena_bytes: plan.bytes,
            steps: self.steps,
            tail: None,
        }
    }
}

/// Calls `f` with every buffer an action reads or writes.
fn operands(action: &Action, f: &mut dyn FnMut(BufferId)) {
    match action {
        Action::Kernel { buffers, .. } => buffers.iter().for_each(|&b| f(b)),
        Action::Gemm(gemm) => [gemm.a.buffer, gemm.b.buffer, gemm.c.buffer].into_iter().for_each(f),
        Action::Halo(halo) => f(halo.buffer),
        Action::Reference { inputs, outputs, .. } => {
            inputs.iter().flatten().chain(outputs).for_each(|(b, _)| f(*b));
        }
        Action::If { condition, captures, outputs, .. } => {
            std::iter::once(condition).chain(captures).chain(outputs).for_each(|&b| f(b));
        }
        Action::Copy { from, to, .. } => {
            f(*from);
            f(*to);
        }
    }
}
