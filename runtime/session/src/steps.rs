//! Steps with their addresses resolved: what a session executes.

use crate::arena::Arena;
use crate::product::{self, Operands};
use crate::session::Session;
use crate::team::Team;
use crate::{Engine, Options, SessionError};
use qcc_kernel::program::{self, Action, BufferId, Gemm, Halo, Program};
use qcc_kernel::{BufferKind, Kernel, interpret};
use qcc_ops::{Attrs, InferInput, Op, OpError};
use qcc_tensor::{Tensor, TensorType};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Predicted time below which a step runs on the calling thread: a thread that waits for its part notices it within a
/// microsecond, and has to get what the caller wrote into its cache.
const WORTH_SPLITTING_NS: f64 = 8_000.0;

/// Pieces in which a thread takes its share of the tasks of a step: so many that another thread can help where one is held
/// up, so few that counting costs nothing.
const HELPINGS: u64 = 8;

/// A pointer into memory the session owns.
#[derive(Clone, Copy)]
pub struct Place(pub *mut u8);

// SAFETY: places are only dereferenced by steps, which the session runs one after the other; what threads share within a
// step is kept apart by the step.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

/// Finds the memory of a buffer.
pub type Resolve<'a> = &'a dyn Fn(BufferId) -> Place;

/// A step ready to run.
pub struct Bound {
    /// Its name.
    pub name: String,
    /// Threads it is worth to use.
    threads: usize,
    action: BoundAction,
}

#[allow(clippy::large_enum_variant, reason = "a program has a few hundred steps; boxing them would only cost clarity")]
enum BoundAction {
    Kernel {
        kernel: u32,
        /// One argument array for each thread; they differ in scratch memory.
        arguments: Vec<Vec<Place>>,
        /// One for each thread.
        taken: Vec<Taken>,
        /// Scratch memory of all threads but the first, which uses the program's buffer.
        _scratch: Vec<Arena>,
    },
    Gemm {
        gemm: Gemm,
        a: Place,
        b: Place,
        c: Place,
        /// Gathered windows, one buffer for each thread.
        gathered: Vec<Vec<f32>>,
        /// As of kernels.
        taken: Vec<Taken>,
    },
    Halo {
        halo: Halo,
        buffer: Place,
    },
    Reference {
        op: Op,
        attrs: Attrs,
        inputs: Vec<Option<Given>>,
        outputs: Vec<(Place, TensorType)>,
    },
    If {
        condition: Place,
        captures: Vec<(Place, usize)>,
        outputs: Vec<(Place, usize)>,
        branches: Box<[Session; 2]>,
    },
    Copy {
        from: Place,
        to: Place,
        bytes: usize,
    },
}

/// An input of a reference evaluation.
enum Given {
    /// Shared with the program: tables may be large.
    Constant(Tensor),
    /// Copied when the step runs.
    Computed(Place, TensorType),
}

impl Given {
    fn of(program: &Program, (buffer, ty): &(BufferId, TensorType), resolve: Resolve<'_>) -> Self {
        // The program holds them, whether a session has a copy of constants that lie badly in memory or not.
        let constant = match program.buffers[buffer.0 as usize].place {
            program::Place::Constant(at) => {
                Tensor::from_bytes(ty.clone(), program.constants.slice(at..at + ty.bytes())).ok()
            }
            _ => None,
        };
        constant.map_or_else(|| Given::Computed(resolve(*buffer), ty.clone()), Given::Constant)
    }

    fn tensor(&self) -> Tensor {
        match self {
            Given::Constant(tensor) => tensor.clone(),
            Given::Computed(place, ty) => {
                // SAFETY: the check made sure that the buffer holds a value of this type.
                let bytes = unsafe { std::slice::from_raw_parts(place.0, ty.bytes()) };
                Tensor::from_bytes(ty.clone(), bytes.to_vec().into()).expect("as many bytes as the type says")
            }
        }
    }
}

/// Resolves the steps of a checked program.
///
/// # Errors
/// Those of nested sessions.
pub fn bind(program: &Program, options: &Options, resolve: Resolve<'_>) -> Result<Vec<Bound>, SessionError> {
    program
        .steps
        .iter()
        .map(|step| {
            let worth = step.predicted_ns >= WORTH_SPLITTING_NS;
            let mut threads = if worth { options.threads } else { 1 };
            let action = match &step.action {
                Action::Kernel { kernel, buffers } => {
                    let decl = &program.kernels[*kernel as usize];
                    threads = threads.min(decl.tasks as usize).max(1);
                    kernel_arguments(*kernel, decl, buffers, threads, resolve)?
                }
                Action::Gemm(gemm) => {
                    threads = threads.min(product::blocks(gemm)).max(1);
                    BoundAction::Gemm {
                        a: resolve(gemm.a.buffer),
                        b: resolve(gemm.b.buffer),
                        c: resolve(gemm.c.buffer),
                        gathered: vec![vec![0.0; product::scratch(gemm)]; threads],
                        taken: counters(threads),
                        gemm: gemm.clone(),
                    }
                }
                Action::Halo(halo) => BoundAction::Halo { halo: halo.clone(), buffer: resolve(halo.buffer) },
                Action::Reference { op, attrs, inputs, outputs } => {
                    let typed = |(buffer, ty): &(BufferId, TensorType)| (resolve(*buffer), ty.clone());
                    BoundAction::Reference {
                        op: *op,
                        attrs: attrs.clone(),
                        inputs: inputs.iter().map(|i| i.as_ref().map(|i| Given::of(program, i, resolve))).collect(),
                        outputs: outputs.iter().map(typed).collect(),
                    }
                }
                Action::If { condition, captures, outputs, then_branch, else_branch } => {
                    let nested = |branch: &Program| Session::new(Arc::new(branch.clone()), options);
                    let bytes = |ports: &[qcc_kernel::program::Port], i: usize| ports[i].ty.bytes();
                    BoundAction::If {
                        condition: resolve(*condition),
                        captures: captures
                            .iter()
                            .enumerate()
                            .map(|(i, &b)| (resolve(b), bytes(&then_branch.inputs, i)))
                            .collect(),
                        outputs: outputs
                            .iter()
                            .enumerate()
                            .map(|(i, &b)| (resolve(b), bytes(&then_branch.outputs, i)))
                            .collect(),
                        branches: Box::new([nested(then_branch)?, nested(else_branch)?]),
                    }
                }
                Action::Copy { from, to, bytes } => {
                    BoundAction::Copy { from: resolve(*from), to: resolve(*to), bytes: *bytes }
                }
            };
            Ok(Bound { name: step.name.clone(), threads, action })
        })
        .collect()
}

fn kernel_arguments(
    index: u32,
    kernel: &Kernel,
    buffers: &[BufferId],
    threads: usize,
    resolve: Resolve<'_>,
) -> Result<BoundAction, SessionError> {
    let first: Vec<Place> = buffers.iter().map(|&b| resolve(b)).collect();
    let mut arguments = vec![first.clone()];
    let mut scratch = Vec::new();
    for _ in 1..threads {
        let mut own = first.clone();
        for (place, decl) in own.iter_mut().zip(&kernel.buffers).filter(|(_, d)| d.kind == BufferKind::Scratch) {
            let memory = Arena::new(decl.bytes)?;
            *place = Place(memory.at(0));
            scratch.push(memory);
        }
        arguments.push(own);
    }
    let taken = counters(arguments.len());
    Ok(BoundAction::Kernel { kernel: index, arguments, taken, _scratch: scratch })
}

/// The first task of a share that nobody has taken, on a cache line of its own.
#[repr(align(64))]
struct Taken(AtomicU64);

fn counters(threads: usize) -> Vec<Taken> {
    (0..threads).map(|_| Taken(AtomicU64::new(0))).collect()
}

/// What executes kernels.
pub struct Machine<'s> {
    /// The program's kernels.
    pub program: &'s Program,
    /// How they are executed.
    pub engine: Engine,
    /// Their machine code.
    pub code: &'s qcc_jit::CodeModule,
    /// The threads, if a step is split.
    pub team: Option<&'s mut Team>,
}

impl Bound {
    /// Whether the step uses more than the calling thread.
    pub fn is_split(&self) -> bool {
        self.threads > 1
    }

    /// Executes the step.
    ///
    /// # Errors
    /// A reference evaluation that refuses its inputs; an interpreter that stops.
    pub fn run(&mut self, machine: &mut Machine<'_>) -> Result<(), SessionError> {
        match &mut self.action {
            BoundAction::Kernel { kernel, arguments, taken, .. } => {
                let decl = &machine.program.kernels[*kernel as usize];
                match machine.engine {
                    Engine::Jit => {
                        run_kernel(machine, *kernel, decl, arguments, taken);
                        Ok(())
                    }
                    Engine::Interpreter => interpret_kernel(decl, &arguments[0])
                        .map_err(|error| SessionError::Interpret { step: self.name.clone(), error }),
                }
            }
            BoundAction::Gemm { gemm, a, b, c, gathered, taken } => {
                run_gemm(machine, gemm, [*a, *b, *c], gathered, taken);
                Ok(())
            }
            BoundAction::Halo { halo, buffer } => {
                for &(start, end) in &halo.ranges {
                    // SAFETY: the program's check made sure that the range lies in the buffer, which this step writes alone.
                    unsafe { std::ptr::write_bytes(buffer.0.add(start), halo.value, end - start) };
                }
                Ok(())
            }
            BoundAction::Reference { op, attrs, inputs, outputs } => evaluate(*op, attrs, inputs, outputs)
                .map_err(|error| SessionError::Op { step: self.name.clone(), error }),
            BoundAction::If { condition, captures, outputs, branches } => {
                // SAFETY: the check made sure that the condition has a byte, captures and outputs their branch's bytes;
                // buffers that one step reads and writes do not overlap.
                unsafe {
                    let branch = &mut branches[usize::from(*condition.0 == 0)];
                    branch.run_pointers(captures, outputs)
                }
            }
            BoundAction::Copy { from, to, bytes } => {
                // SAFETY: the check made sure that both buffers have these bytes; `copy` allows them to overlap.
                unsafe { std::ptr::copy(from.0, to.0, *bytes) };
                Ok(())
            }
        }
    }
}

fn run_kernel(machine: &mut Machine<'_>, kernel: u32, decl: &Kernel, arguments: &[Vec<Place>], taken: &[Taken]) {
    let entry = machine.code.entry(kernel as usize);
    split(machine.team.as_deref_mut(), taken, u64::from(decl.tasks), &|thread, tasks| {
        let places = &arguments[thread];
        // SAFETY: `Place` is a pointer and nothing else.
        let pointers = unsafe { std::slice::from_raw_parts(places.as_ptr().cast::<*mut u8>(), places.len()) };
        // SAFETY: the check made sure that every buffer is as large and as aligned as the kernel declares; every task is run
        // once, tasks are independent as the kernel IR makes them, and threads have scratch memory of their own.
        unsafe { entry.call(pointers, tasks.start, tasks.end) };
    });
}

fn run_gemm(machine: &mut Machine<'_>, gemm: &Gemm, [a, b, c]: [Place; 3], gathered: &mut [Vec<f32>], taken: &[Taken]) {
    let windows: Vec<Place> = gathered.iter_mut().map(|g| Place(g.as_mut_ptr().cast())).collect();
    let length = product::scratch(gemm);
    split(machine.team.as_deref_mut(), taken, product::blocks(gemm) as u64, &|thread, blocks| {
        // The closure must capture whole places, which may cross threads, and not the pointers in them.
        let (a, b, c) = ({ a }, { b }, { c });
        let operands = Operands { a: a.0.cast(), b: b.0.cast(), c: c.0.cast() };
        // SAFETY: every thread has a buffer of its own, of the length it was made with.
        let window = unsafe { std::slice::from_raw_parts_mut(windows[thread].0.cast::<f32>(), length) };
        // SAFETY: the check made sure that the operands lie in their buffers; every block of `c` is written once.
        unsafe { product::multiply(gemm, operands, window, blocks.start as usize..blocks.end as usize) };
    });
}

/// Shares tasks out among as many threads as there are counters. Each begins with a share of its own, whose data it
/// probably wrote in the step before, then helps where something is left.
fn split(team: Option<&mut Team>, taken: &[Taken], tasks: u64, work: &(dyn Fn(usize, Range<u64>) + Sync)) {
    let threads = taken.len();
    let Some(team) = team.filter(|_| threads > 1) else { return work(0, 0..tasks) };
    let share = |thread: usize| tasks * thread as u64 / threads as u64;
    let helping = (tasks / (threads as u64 * HELPINGS)).max(1);
    for (thread, taken) in taken.iter().enumerate() {
        taken.0.store(share(thread), Ordering::Relaxed);
    }
    team.run(threads, &|thread| {
        for of in (thread..threads).chain(0..thread) {
            let end = share(of + 1);
            loop {
                let begin = taken[of].0.fetch_add(helping, Ordering::Relaxed);
                if begin >= end {
                    break;
                }
                work(thread, begin..end.min(begin + helping));
            }
        }
    });
}

/// Runs a whole kernel on copies of its buffers, then writes back what it may write.
fn interpret_kernel(kernel: &Kernel, places: &[Place]) -> Result<(), qcc_kernel::InterpretError> {
    let mut copies: Vec<Vec<u8>> = kernel
        .buffers
        .iter()
        .zip(places)
        // SAFETY: the check made sure that the buffer has the declared bytes.
        .map(|(decl, place)| unsafe { std::slice::from_raw_parts(place.0, decl.bytes) }.to_vec())
        .collect();
    let mut slices: Vec<&mut [u8]> = copies.iter_mut().map(Vec::as_mut_slice).collect();
    interpret(kernel, &mut slices, 0, u64::from(kernel.tasks))?;
    for ((decl, place), copy) in kernel.buffers.iter().zip(places).zip(&copies) {
        if decl.kind == BufferKind::Out {
            // SAFETY: as above, and the check made sure that it may be written.
            unsafe { std::ptr::copy_nonoverlapping(copy.as_ptr(), place.0, copy.len()) };
        }
    }
    Ok(())
}

fn evaluate(op: Op, attrs: &Attrs, inputs: &[Option<Given>], outputs: &[(Place, TensorType)]) -> Result<(), OpError> {
    let tensors: Vec<Option<Tensor>> = inputs.iter().map(|input| input.as_ref().map(Given::tensor)).collect();
    let given: Vec<Option<&Tensor>> = tensors.iter().map(Option::as_ref).collect();
    let typed: Vec<Option<InferInput<'_>>> =
        given.iter().map(|input| input.map(|t| InferInput { ty: t.ty(), value: Some(t) })).collect();
    let planned = |types: &mut dyn Iterator<Item = &TensorType>| {
        let different = types.zip(outputs).find(|(ty, (_, planned))| *ty != planned);
        match different {
            Some((ty, (_, planned))) => Err(OpError::invalid(format!("the result is {ty}, {planned} was planned"))),
            None => Ok(()),
        }
    };
    // Types may follow from values, which are here for the first time; an op is evaluated as its inference types it only.
    let mut attrs = attrs.clone();
    let types = op.infer(&typed, &mut attrs, outputs.len())?;
    planned(&mut types.iter())?;
    let results = op.eval(&given, &attrs, outputs.len())?;
    planned(&mut results.iter().map(Tensor::ty))?;
    if results.len() < outputs.len() {
        return Err(OpError::invalid(format!("{} results, {} were planned", results.len(), outputs.len())));
    }
    for (result, (place, ty)) in results.iter().zip(outputs) {
        // SAFETY: as above, and the check made sure that it may be written.
        unsafe { std::ptr::copy_nonoverlapping(result.bytes().as_ptr(), place.0, ty.bytes()) };
    }
    Ok(())
}
