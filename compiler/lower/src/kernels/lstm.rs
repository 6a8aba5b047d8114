//! The steps of an LSTM, in F32: one task walks one sequence in one direction.
//!
//! A step takes some units at a time, with the sums of their four gates in registers: products of the input, then the
//! state times the weights, in blocks of at most `BLOCK` terms. The outputs hold the states between the steps.

use qcc_kernel::{Addr, BinOp, Buf, IndexOp, Kernel, KernelBuilder, Lane, Op, VL, Value, Width, math};

use super::layout::SLACK;

/// The steps of an LSTM with sigmoids and hyperbolic tangents.
#[derive(Clone, Debug, PartialEq)]
pub struct LstmSpec {
    /// Name for dumps and profiles.
    pub name: String,
    /// Inputs of a sequence.
    pub steps: usize,
    /// Sequences.
    pub batch: usize,
    /// Units of the state.
    pub hidden: usize,
    /// For each direction, whether it begins at the end.
    pub backwards: Vec<bool>,
    /// Recurrent weights `[direction, gate, unit, unit of the state]`, gates in the order input, output, forget, cell.
    pub weights: Vec<f32>,
    /// Added to every sum, `[direction, gate, unit]`; may be empty.
    pub bias: Vec<f32>,
    /// Whether first states are given: hidden, cell.
    pub given: [bool; 2],
}

/// A kernel whose buffers are the products `[step, sequence, direction, gate, unit]`, the first states that are given
/// `[direction, sequence, unit]`, the outputs `[step, direction, sequence, unit]`, the last states (hidden, cell), and the
/// constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Lstm {
    /// The program.
    pub kernel: Kernel,
    /// Its last buffer.
    pub constants: Vec<u8>,
}

/// Registers of units whose sums are kept at the same time.
const AT_ONCE: usize = 2;

/// Most terms that are added up by themselves, so that rounding does not grow with the size of the state.
const BLOCK: usize = 128;

const GATES: usize = 4;

/// The kernel of the steps of an LSTM.
///
/// # Errors
/// The reason why there is none: a state that does not fill registers, too many sequences.
pub fn generate(spec: &LstmSpec, width: Width) -> Result<Lstm, String> {
    let width = if spec.hidden.is_multiple_of(width.bytes() / 4) { width } else { Width::V128 };
    let lanes = width.bytes() / 4;
    if spec.hidden == 0 || !spec.hidden.is_multiple_of(lanes) {
        return Err(format!("{} units do not fill registers", spec.hidden));
    }
    let tasks = spec.backwards.len() * spec.batch;
    let tasks = u32::try_from(tasks).map_err(|_| format!("{tasks} tasks"))?;
    let registers = if (spec.hidden / lanes).is_multiple_of(AT_ONCE) { AT_ONCE } else { 1 };
    let constants = packed(spec, registers * lanes);
    let mut b = KernelBuilder::with_width(&spec.name, tasks, width);
    let states = 4 * spec.backwards.len() * spec.batch * spec.hidden;
    let products = b.input("products", GATES * spec.steps * states + SLACK);
    let first = [0, 1].map(|i| spec.given[i].then(|| b.input(["h", "c"][i], states + SLACK)));
    let y = b.output("y", spec.steps * states + SLACK);
    let last = ["y_h", "y_c"].map(|name| b.output(name, states + SLACK));
    let weights = b.constants("weights", constants.len());
    let walk = Walk { spec, width, registers, products, y, last, weights };
    if tasks > 0 {
        walk.task(&mut b, first);
    }
    Ok(Lstm { kernel: b.finish(), constants })
}

/// Weights as `[direction, units of a part, unit of the state, gate, unit]`, then the bias.
fn packed(spec: &LstmSpec, part: usize) -> Vec<u8> {
    let hidden = spec.hidden;
    let mut out = Vec::with_capacity(4 * (spec.weights.len() + spec.bias.len()) + SLACK);
    for direction in spec.weights.chunks_exact(GATES * hidden * hidden) {
        for first in (0..hidden).step_by(part) {
            for k in 0..hidden {
                for gate in 0..GATES {
                    for unit in first..first + part {
                        out.extend(direction[(gate * hidden + unit) * hidden + k].to_le_bytes());
                    }
                }
            }
        }
    }
    out.extend(spec.bias.iter().flat_map(|v| v.to_le_bytes()));
    out.resize(out.len() + SLACK, 0);
    out
}

/// What the tasks of a kernel have in common.
struct Walk<'s> {
    spec: &'s LstmSpec,
    width: Width,
    /// Registers of units that are computed at the same time.
    registers: usize,
    products: Buf,
    y: Buf,
    /// The states: hidden, cell.
    last: [Buf; 2],
    weights: Buf,
}

impl Walk<'_> {
    /// Bytes of a state.
    fn state(&self) -> i64 {
        4 * self.spec.hidden as i64
    }

    fn load(&self, b: &mut KernelBuilder, addr: Addr) -> Value {
        b.load(Lane::F32, VL, addr.whole(self.width))
    }

    fn store(&self, b: &mut KernelBuilder, addr: Addr, value: Value) {
        b.store(addr.whole(self.width), VL, value);
    }

    fn task(&self, b: &mut KernelBuilder, first: [Option<Buf>; 2]) {
        let own = b.mul(b.task(), self.state());
        for (from, to) in first.into_iter().zip(self.last) {
            self.each_register(b, |b, at| {
                let at = b.index_add(own, at);
                let value = match from {
                    Some(from) => self.load(b, from.at(at, 0)),
                    None => b.splat_f32(0.0),
                };
                self.store(b, to.at(at, 0), value);
            });
        }
        if self.spec.steps > 0 {
            self.directions(b, own, 0);
        }
    }

    /// The code of the directions from `d` on; there are two at most.
    fn directions(&self, b: &mut KernelBuilder, own: Value, d: usize) {
        let last = d + 1 == self.spec.backwards.len();
        if last {
            return self.steps(b, own, d);
        }
        let next = ((d + 1) * self.spec.batch) as i64;
        b.if_less(b.task(), next, |b| self.steps(b, own, d), |b| self.directions(b, own, d + 1));
    }

    fn steps(&self, b: &mut KernelBuilder, own: Value, d: usize) {
        let spec = self.spec;
        let gates = GATES as i64 * self.state();
        let directions = spec.backwards.len() as i64;
        // Products of the sequence, counted from the first of this direction.
        let sequence = b.add(b.task(), -((d * spec.batch) as i64));
        let sequence = b.mul(sequence, directions * gates);
        b.loop_(spec.steps as u32, 1, |b, i| {
            let t = if spec.backwards[d] {
                let end = b.index(spec.steps as i64 - 1);
                b.op(Op::Index { op: IndexOp::Sub, a: end, b: i })
            } else {
                i
            };
            let from = b.mul(t, spec.batch as i64 * directions * gates);
            let from = b.index_add(from, sequence);
            let to = b.mul(t, spec.batch as i64 * directions * self.state());
            let to = b.index_add(to, own);
            let part = (self.registers * self.width.bytes()) as i64;
            b.loop_((self.state() / part) as u32, part, |b, unit| {
                let from = b.index_add(from, unit);
                let products = self.products.at(from, d as i64 * gates);
                let sums = self.sums(b, own, products, unit, d);
                for (r, sums) in sums.into_iter().enumerate() {
                    let offset = (r * self.width.bytes()) as i64;
                    let at = b.index_add(own, unit);
                    let cell = self.last[1].at(at, offset);
                    let hidden = self.gates(b, sums, cell);
                    let at = b.index_add(to, unit);
                    self.store(b, self.y.at(at, offset), hidden);
                }
            });
            // All sums of a step read the state before it.
            self.each_register(b, |b, at| {
                let (from, to) = (b.index_add(to, at), b.index_add(own, at));
                let value = self.load(b, self.y.at(from, 0));
                self.store(b, self.last[0].at(to, 0), value);
            });
        });
    }

    /// The sums of the gates, for each register of units.
    fn sums(&self, b: &mut KernelBuilder, own: Value, products: Addr, unit: Value, d: usize) -> Vec<[Value; GATES]> {
        let (hidden, register) = (self.spec.hidden, self.width.bytes() as i64);
        let mut sums = Vec::new();
        for r in 0..self.registers as i64 {
            for gate in 0..GATES as i64 {
                let mut sum = self.load(b, products.plus(gate * self.state() + r * register));
                if !self.spec.bias.is_empty() {
                    let offset = 4 * self.spec.weights.len() as i64 + (d * GATES) as i64 * self.state();
                    let bias = self.weights.at(unit, offset + gate * self.state() + r * register);
                    let bias = self.load(b, bias);
                    sum = b.binary(BinOp::Add, sum, bias);
                }
                sums.push(sum);
            }
        }
        let zero = b.splat_f32(0.0);
        let at = b.mul(unit, (GATES * hidden) as i64);
        let weights = self.weights.at(at, (d * GATES * hidden) as i64 * self.state());
        for first in (0..hidden).step_by(BLOCK) {
            let count = BLOCK.min(hidden - first);
            let terms = b.loop_carried(count as u32, 4, &vec![zero; sums.len()], |b, k, terms| {
                let at = b.index_add(own, k);
                let state = b.broadcast32(Lane::F32, self.last[0].at(at, 4 * first as i64));
                let row = (GATES * self.registers) as i64 * register;
                let at = b.mul(k, row / 4);
                let at = weights.index.map_or(at, |index| b.index_add(index, at));
                let row = Addr { index: Some(at), ..weights.plus(first as i64 * row) };
                let each = |(i, &sum): (usize, &Value)| {
                    let (r, gate) = (i / GATES, i % GATES);
                    let weight = self.load(b, row.plus((gate * self.registers + r) as i64 * register));
                    b.mul_add(sum, state, weight)
                };
                terms.iter().enumerate().map(each).collect()
            });
            for (sum, terms) in sums.iter_mut().zip(terms) {
                *sum = b.binary(BinOp::Add, *sum, terms);
            }
        }
        sums.chunks_exact(GATES).map(|sums| [sums[0], sums[1], sums[2], sums[3]]).collect()
    }

    /// Renews the cell state at `cell` by the sums of input, output, forget and cell gate; the hidden state.
    fn gates(&self, b: &mut KernelBuilder, [input, output, forget, new]: [Value; GATES], cell: Addr) -> Value {
        let [take, give, keep] = [input, output, forget].map(|sum| math::sigmoid(b, sum));
        let new = math::tanh(b, new);
        let before = self.load(b, cell);
        let kept = b.binary(BinOp::Mul, keep, before);
        let taken = b.binary(BinOp::Mul, take, new);
        let now = b.binary(BinOp::Add, kept, taken);
        self.store(b, cell, now);
        let state = math::tanh(b, now);
        b.binary(BinOp::Mul, give, state)
    }

    /// Calls `each` with the byte offset of every register of a state.
    fn each_register(&self, b: &mut KernelBuilder, each: impl FnOnce(&mut KernelBuilder, Value)) {
        let register = self.width.bytes() as i64;
        b.loop_((self.state() / register) as u32, register, each);
    }
}
