//! A program with its memory and its machine code.

use crate::SessionError;
use crate::arena::Arena;
use crate::lane::{self, Lane};
use crate::steps::{Bound, Machine, Place};
use crate::team::{MOST_THREADS, Team};
use qcc_jit::{CodeModule, CpuFeatures};
use qcc_kernel::BUFFER_ALIGN;
use qcc_kernel::program::{self, Limits, Port, Program, Tail};
use qcc_ops::Budget;
use qcc_tensor::{DType, Tensor};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How kernels are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// Machine code for the CPU found.
    #[default]
    Jit,
    /// One operation at a time, every access checked: the oracle of the machine code.
    Interpreter,
}

/// How a session runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads, the caller's included; at least 1, and at most 32767 are used.
    pub threads: usize,
    /// How kernels are executed.
    pub engine: Engine,
    /// What the calls of a [tail](Program::tail) may use in one run.
    pub tail: Budget,
}

impl Default for Options {
    fn default() -> Options {
        let limits = Limits::default();
        Options { threads: 1, engine: Engine::Jit, tail: Budget { work: limits.work, memory: limits.memory } }
    }
}

/// Time of one step of a profiled run.
#[derive(Debug, Clone)]
pub struct StepTime {
    /// Name of the step.
    pub name: String,
    /// Nanoseconds from the start of the run to the start of the step.
    pub start_ns: u64,
    /// Wall-clock nanoseconds.
    pub nanoseconds: u64,
}

/// A program ready to run. Sessions of one program share its constants and nothing else.
pub struct Session {
    program: Arc<Program>,
    engine: Engine,
    tail: Budget,
    code: CodeModule,
    /// One, or one for each thread.
    lanes: Vec<Mutex<Lane>>,
    /// Where the outputs of a run go.
    targets: Vec<Place>,
    team: Option<Team>,
    /// A copy of the constants, if they do not lie at a multiple of the alignment.
    _constants: Option<Arena>,
}

impl Session {
    /// Checks the program, generates machine code, reserves memory.
    ///
    /// # Errors
    /// A program that breaks its rules, code that cannot be generated, threads that cannot be started.
    pub fn new(program: Arc<Program>, options: &Options) -> Result<Session, SessionError> {
        program::check(&program)?;
        let threads = options.threads.clamp(1, MOST_THREADS);
        let options = &Options { threads, ..options.clone() };
        let kernels = match options.engine {
            Engine::Jit => program.kernels.as_slice(),
            Engine::Interpreter => &[],
        };
        let code = qcc_jit::compile(kernels, &CpuFeatures::detect())?;
        let aligned = program.constants.as_ptr().addr().is_multiple_of(BUFFER_ALIGN);
        let constants = if aligned { None } else { Some(Arena::copied(&program.constants)?) };
        let constant_base = constants.as_ref().map_or(program.constants.as_ptr().cast_mut(), |copy| copy.at(0));
        let count = lane::lanes(program.samples, threads);
        let each = Options { threads: if count > 1 { 1 } else { threads }, ..options.clone() };
        let lanes = (0..count).map(|_| Lane::new(&program, &each, constant_base)).collect::<Result<Vec<_>, _>>()?;
        let team = match count > 1 || lanes[0].steps.iter().any(Bound::is_split) {
            false => None,
            true => Some(Team::new(threads).map_err(|e| SessionError::Threads { threads, why: e.to_string() })?),
        };
        let lanes = lanes.into_iter().map(Mutex::new).collect();
        let Options { engine, tail, .. } = *options;
        let targets = Vec::with_capacity(program.outputs.len());
        Ok(Session { engine, tail, code, lanes, targets, team, _constants: constants, program })
    }

    /// The model's inputs, in order.
    pub fn inputs(&self) -> &[Port] {
        &self.program.inputs
    }

    /// The outputs of the steps, in order: the model's, unless a [tail](Session::tail) computes them.
    pub fn outputs(&self) -> &[Port] {
        &self.program.outputs
    }

    /// What follows the steps in a model whose shapes depend on its data.
    pub fn tail(&self) -> Option<&Tail> {
        self.program.tail.as_ref()
    }

    /// Names of the model's outputs, in order.
    pub fn output_names(&self) -> Vec<String> {
        match &self.program.tail {
            Some(tail) => tail.outputs.clone(),
            None => self.program.outputs.iter().map(|port| port.name.clone()).collect(),
        }
    }

    /// Runs the model once.
    ///
    /// # Errors
    /// Inputs of another number or type than the model's; a step that fails.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, SessionError> {
        let outputs = self.run_steps(inputs)?;
        self.run_tail(outputs)
    }

    fn run_tail(&self, values: Vec<Tensor>) -> Result<Vec<Tensor>, SessionError> {
        match &self.program.tail {
            Some(tail) => tail.block.run(values, &mut self.tail.clone()).map_err(SessionError::Tail),
            None => Ok(values),
        }
    }

    fn run_steps(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, SessionError> {
        self.check_types(inputs)?;
        let inputs: Vec<&[u8]> = inputs.iter().map(Tensor::bytes).collect();
        let mut outputs: Vec<Vec<u8>> = self.program.outputs.iter().map(|port| vec![0; port.ty.bytes()]).collect();
        let mut slices: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        self.run_into(&inputs, &mut slices)?;
        Ok(self.tensors(outputs))
    }

    /// Runs the steps once. Each of [`Session::outputs`] that consists of f32 is seen where it was computed, row-major, as soon
    /// as it is: there is memory for those only that further steps read. If the program runs [once for each
    /// sample](Program::samples), so does this.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn watch(&mut self, inputs: &[Tensor], seen: &mut dyn FnMut(usize, &[f32])) -> Result<(), SessionError> {
        self.check_types(inputs)?;
        let bytes: Vec<&[u8]> = inputs.iter().map(Tensor::bytes).collect();
        let program = Arc::clone(&self.program);
        self.in_turn(&bytes, &mut |_, step, machine| step.run(machine), &mut |at, _, bytes| {
            if program.outputs[at].ty.dtype == DType::F32 {
                // SAFETY: any bytes are floats; buffers are aligned, so nothing is left before or behind.
                seen(at, unsafe { bytes.align_to().1 });
            }
        })
    }

    /// Runs every step by `run`, which is told its number, for one sample after the other. `seen` gets the number of an output,
    /// that of the sample, and the bytes.
    fn in_turn(
        &mut self,
        inputs: &[&[u8]],
        run: &mut dyn FnMut(usize, &mut Bound, &mut Machine<'_>) -> Result<(), SessionError>,
        seen: &mut dyn FnMut(usize, usize, &[u8]),
    ) -> Result<(), SessionError> {
        let Session { program, engine, code, lanes, team, .. } = self;
        let lane = lanes[0].get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut machine = Machine { program, engine: *engine, code, team: team.as_mut() };
        (0..program.samples).try_for_each(|sample| {
            lane.run(&mut machine, inputs, sample, run, &mut |at, bytes| seen(at, sample, bytes))
        })
    }

    /// Runs the steps for all samples, some side by side if there are lanes for it, and writes the outputs of each behind
    /// those of the one before. Lengths are as the program says.
    fn side_by_side(&mut self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), SessionError> {
        let Session { program, engine, code, lanes, targets, team: Some(team), .. } = self else {
            return Err(SessionError::Threads { threads: self.lanes.len(), why: "there are no others".into() });
        };
        targets.clear();
        targets.extend(outputs.iter_mut().map(|out| Place(out.as_mut_ptr())));
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        team.run(lanes.len(), &|thread| {
            let mut lane = lanes[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let mut machine = Machine { program, engine: *engine, code, team: None };
            loop {
                let sample = next.fetch_add(1, Ordering::Relaxed);
                if sample >= program.samples {
                    break;
                }
                let mut write = |at: usize, bytes: &[u8]| {
                    // SAFETY: outputs are as long as that of all samples, and each sample is run once.
                    unsafe {
                        let to = targets[at].0.add(sample * bytes.len());
                        std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
                    }
                };
                let run = &mut |_: usize, step: &mut Bound, machine: &mut Machine<'_>| step.run(machine);
                if let Err(error) = lane.run(&mut machine, inputs, sample, run, &mut write) {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Runs the steps once on the bytes of the model's inputs, row-major, and writes the bytes of [`Session::outputs`].
    ///
    /// # Errors
    /// Slices of another number or length than the model's inputs and outputs; a step that fails.
    pub fn run_into(&mut self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), SessionError> {
        let program = Arc::clone(&self.program);
        count("inputs", program.inputs.len(), inputs.len())?;
        count("outputs", program.outputs.len(), outputs.len())?;
        program.inputs.iter().zip(inputs).try_for_each(|(port, bytes)| sized("input", port, bytes.len()))?;
        program.outputs.iter().zip(outputs.iter()).try_for_each(|(port, slot)| sized("output", port, slot.len()))?;
        if self.lanes.len() > 1 {
            return self.side_by_side(inputs, outputs);
        }
        self.in_turn(inputs, &mut |_, step, machine| step.run(machine), &mut |at, sample, bytes| {
            outputs[at][sample * bytes.len()..][..bytes.len()].copy_from_slice(bytes);
        })
    }

    /// Runs the model once and times every step, in the program's order; what a tail takes is not in it. Samples run one
    /// after the other; a step that runs for each has the sum of its times, and the start of the first.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_profiled(&mut self, inputs: &[Tensor]) -> Result<(Vec<Tensor>, Vec<StepTime>), SessionError> {
        self.check_types(inputs)?;
        let bytes: Vec<&[u8]> = inputs.iter().map(Tensor::bytes).collect();
        let mut times: Vec<StepTime> = Vec::with_capacity(self.program.steps.len());
        let mut outputs = vec![Vec::new(); self.program.outputs.len()];
        let start = Instant::now();
        let mut run = |number: usize, step: &mut Bound, machine: &mut Machine<'_>| {
            let start_ns = start.elapsed().as_nanos() as u64;
            step.run(machine)?;
            let nanoseconds = start.elapsed().as_nanos() as u64 - start_ns;
            match times.get_mut(number) {
                Some(time) => time.nanoseconds += nanoseconds,
                None => times.push(StepTime { name: step.name.clone(), start_ns, nanoseconds }),
            }
            Ok(())
        };
        self.in_turn(&bytes, &mut run, &mut |at, _, bytes| outputs[at].extend_from_slice(bytes))?;
        let outputs = self.run_tail(self.tensors(outputs))?;
        Ok((outputs, times))
    }

    /// Runs the model on buffers of another session: each a pointer and a number of bytes.
    ///
    /// # Safety
    /// Every place has its bytes; outputs are written by nobody else.
    pub(crate) unsafe fn run_pointers(
        &mut self,
        inputs: &[(Place, usize)],
        outputs: &[(Place, usize)],
    ) -> Result<(), SessionError> {
        // SAFETY: as the caller promises.
        let read =
            |&(place, bytes): &(Place, usize)| unsafe { std::slice::from_raw_parts(place.0.cast_const(), bytes) };
        // SAFETY: as the caller promises.
        let write = |&(place, bytes): &(Place, usize)| unsafe { std::slice::from_raw_parts_mut(place.0, bytes) };
        let inputs: Vec<&[u8]> = inputs.iter().map(read).collect();
        let mut outputs: Vec<&mut [u8]> = outputs.iter().map(write).collect();
        self.run_into(&inputs, &mut outputs)
    }

    fn check_types(&self, inputs: &[Tensor]) -> Result<(), SessionError> {
        count("inputs", self.program.inputs.len(), inputs.len())?;
        match self.program.inputs.iter().zip(inputs).find(|(port, tensor)| port.ty != *tensor.ty()) {
            None => Ok(()),
            Some((port, tensor)) => Err(SessionError::Mismatch {
                port: format!("input `{}`", port.name),
                expected: port.ty.clone(),
                got: tensor.ty().to_string(),
            }),
        }
    }

    fn tensors(&self, bytes: Vec<Vec<u8>>) -> Vec<Tensor> {
        let typed = self.program.outputs.iter().zip(bytes);
        typed
            .map(|(port, b)| Tensor::from_bytes(port.ty.clone(), b.into()).expect("as many bytes as the type says"))
            .collect()
    }
}

fn count(what: &'static str, expected: usize, got: usize) -> Result<(), SessionError> {
    if expected == got { Ok(()) } else { Err(SessionError::Count { what, expected, got }) }
}

fn sized(kind: &str, port: &Port, bytes: usize) -> Result<(), SessionError> {
    if bytes == port.ty.bytes() {
        return Ok(());
    }
    let port_name = format!("{kind} `{}`", port.name);
    Err(SessionError::Mismatch { port: port_name, expected: port.ty.clone(), got: format!("{bytes} bytes") })
}
