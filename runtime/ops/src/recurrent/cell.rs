//! What recurrent layers share: shapes, activations, and the walk along the sequence.
//!
//! Everything is computed in f64; only the outputs are rounded to the element type.

use crate::{AttrValue, Attrs, EvalArgs, InferArgs, OpError};
use qcc_tensor::{DType, Shape, Tensor, TensorType};
use std::borrow::Cow;

/// An activation with its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activation {
    function: fn(f64, f64, f64) -> f64,
    alpha: f64,
    beta: f64,
}

impl Activation {
    /// Its value.
    pub(crate) fn at(&self, x: f64) -> f64 {
        (self.function)(x, self.alpha, self.beta)
    }
}

/// Name, function of `(x, alpha, beta)`, defaults of the parameters it has.
type Row = (&'static str, fn(f64, f64, f64) -> f64, Option<f64>, Option<f64>);

const ACTIVATIONS: &[Row] = &[
    ("affine", |x, a, b| a * x + b, Some(1.0), Some(0.0)),
    ("elu", |x, a, _| if x >= 0.0 { x } else { a * x.exp_m1() }, Some(1.0), None),
    ("hardsigmoid", |x, a, b| (a * x + b).clamp(0.0, 1.0), Some(0.2), Some(0.5)),
    ("leakyrelu", |x, a, _| if x >= 0.0 { x } else { a * x }, Some(0.01), None),
    ("relu", |x, _, _| if x < 0.0 { 0.0 } else { x }, None, None),
    ("scaledtanh", |x, a, b| a * (b * x).tanh(), Some(1.0), Some(1.0)),
    ("sigmoid", |x, _, _| 1.0 / (1.0 + (-x).exp()), None, None),
    ("softplus", |x, _, _| x.max(0.0) + (-x.abs()).exp().ln_1p(), None, None),
    ("softsign", |x, _, _| x / (1.0 + x.abs()), None, None),
    ("tanh", |x, _, _| x.tanh(), None, None),
    ("thresholdedrelu", |x, a, _| if x >= a { x } else { 0.0 }, Some(1.0), None),
];

/// The activations of all directions; parameters are taken in order by the functions that have them.
fn activations(attrs: &Attrs, count: usize) -> Result<Vec<Activation>, OpError> {
    let names = match attrs.get("activations") {
        Some(AttrValue::Strs(names)) => names.as_slice(),
        _ => &[],
    };
    if names.len() != count {
        return Err(OpError::invalid(format!("expected {count} activations, got {}", names.len())));
    }
    let list = |name: &str| match attrs.get(name) {
        Some(AttrValue::Floats(x)) => x.clone(),
        _ => Vec::new(),
    };
    let (alphas, betas) = (list("activation_alpha"), list("activation_beta"));
    let (mut alphas, mut betas) = (alphas.iter(), betas.iter());
    let one = |name: &String| {
        let row = ACTIVATIONS.iter().find(|row| row.0.eq_ignore_ascii_case(name));
        let (_, function, alpha, beta) = row.ok_or_else(|| OpError::invalid(format!("unknown activation `{name}`")))?;
        let alpha = alpha.map_or(0.0, |d| alphas.next().map_or(d, |&v| f64::from(v)));
        let beta = beta.map_or(0.0, |d| betas.next().map_or(d, |&v| f64::from(v)));
        Ok(Activation { function: *function, alpha, beta })
    };
    names.iter().map(one).collect()
}

/// What distinguishes one kind of layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Blocks of `hidden` rows in the weights.
    pub(crate) gates: usize,
    /// Default activations of one direction.
    pub(crate) activations: &'static [&'static str],
    /// Whether there is a cell state beside the hidden one (inputs 6 and 7, output 2).
    pub(crate) cell: bool,
}

/// Sizes of a layer.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    steps: usize,
    batch: usize,
    input: usize,
    hidden: usize,
    directions: usize,
    batch_first: bool,
}

impl Sizes {
    fn read(x: &[usize], r: &[usize], attrs: &Attrs) -> Result<Self, OpError> {
        let fail = || OpError::invalid(format!("a sequence of shape {x:?} and recurrent weights of shape {r:?}"));
        let (&[a, b, input], &[directions, _, hidden]) = (x, r) else { return Err(fail()) };
        let batch_first = attrs.int("layout") == Some(1);
        let (steps, batch) = if batch_first { (b, a) } else { (a, b) };
        Ok(Self { steps, batch, input, hidden, directions, batch_first })
    }

    fn state(&self) -> Shape {
        let (a, b) = if self.batch_first { (self.batch, self.directions) } else { (self.directions, self.batch) };
        [a, b, self.hidden].into_iter().collect()
    }

    fn sequence(&self) -> Shape {
        if self.batch_first {
            [self.batch, self.steps, self.directions, self.hidden].into_iter().collect()
        } else {
            [self.steps, self.directions, self.batch, self.hidden].into_iter().collect()
        }
    }

    fn state_at(&self, direction: usize, batch: usize) -> usize {
        let row = if self.batch_first { batch * self.directions + direction } else { direction * self.batch + batch };
        row * self.hidden
    }

    fn output_at(&self, step: usize, direction: usize, batch: usize) -> usize {
        let row = if self.batch_first {
            (batch * self.steps + step) * self.directions + direction
        } else {
            (step * self.directions + direction) * self.batch + batch
        };
        row * self.hidden
    }

    fn input_at(&self, step: usize, batch: usize) -> usize {
        (if self.batch_first { batch * self.steps + step } else { step * self.batch + batch }) * self.input
    }
}

fn directions(attrs: &Attrs) -> Result<usize, OpError> {
    match attrs.str("direction") {
        Some("forward" | "reverse") => Ok(1),
        Some("bidirectional") => Ok(2),
        other => Err(OpError::invalid(format!("unknown direction {other:?}"))),
    }
}

/// Checks what the attributes of layers in so many directions say, and brings the activations to canonical form.
pub(crate) fn check_attributes(attrs: &mut Attrs, kind: Kind, count: usize) -> Result<(), OpError> {
    if directions(attrs)? != count {
        return Err(OpError::invalid(format!("weights of {count} directions")));
    }
    if !matches!(attrs.get("activations"), Some(AttrValue::Strs(names)) if !names.is_empty()) {
        let names = (0..count).flat_map(|_| kind.activations).map(|n| (*n).to_string()).collect();
        attrs.set("activations", AttrValue::Strs(names));
    }
    activations(attrs, count * kind.activations.len())?;
    if attrs.float("clip").is_some_and(|c| c.is_nan() || c < 0.0) {
        return Err(OpError::invalid("clip must not be negative"));
    }
    Ok(())
}

/// Types of the outputs; canonical attributes.
pub(crate) fn infer(a: &mut InferArgs<'_>, kind: Kind) -> Result<Vec<TensorType>, OpError> {
    let x = a.ty(0)?;
    let directions = directions(a.attrs)?;
    if !x.dtype.is_float() {
        return Err(OpError::invalid(format!("the input must be a float tensor, got {x}")));
    }
    let s = Sizes::read(&x.shape, &a.ty(2)?.shape, a.attrs)?;
    let rows = kind.gates * s.hidden;
    let mut expected = vec![
        (1, vec![directions, rows, s.input]),
        (2, vec![directions, rows, s.hidden]),
        (3, vec![directions, 2 * rows]),
        (5, s.state().to_vec()),
    ];
    if kind.cell {
        expected.extend([(6, s.state().to_vec()), (7, vec![directions, 3 * s.hidden])]);
    }
    for (i, shape) in expected {
        if let Some(ty) = a.opt_ty(i)
            && (ty.shape.as_slice() != shape || ty.dtype != x.dtype)
        {
            return Err(OpError::invalid(format!("input {i} must be {} of shape {shape:?}, got {ty}", x.dtype)));
        }
    }
    if let Some(ty) = a.opt_ty(4)
        && (ty.shape.as_slice() != [s.batch] || !ty.dtype.is_int())
    {
        return Err(OpError::invalid(format!("one length for each of {} sequences, got {ty}", s.batch)));
    }
    if a.attrs.int("hidden_size").is_some_and(|h| h != s.hidden as i64) {
        return Err(OpError::invalid(format!("hidden_size is not that of the weights, {}", s.hidden)));
    }
    a.attrs.set("hidden_size", AttrValue::Int(s.hidden as i64));
    check_attributes(a.attrs, kind, directions)?;
    let (y, state) = (s.sequence(), s.state());
    let mut shapes = vec![y, state.clone()];
    if kind.cell {
        shapes.push(state);
    }
    if a.outputs > shapes.len() {
        return Err(OpError::invalid(format!("it has at most {} outputs", shapes.len())));
    }
    shapes.truncate(a.outputs);
    Ok(shapes.into_iter().map(|shape| TensorType { dtype: x.dtype, shape }).collect())
}

/// Multiply-accumulates of a layer: each input and each state with all their weights.
pub(crate) fn macs(inputs: &[Option<&TensorType>], _: &[TensorType], _: &Attrs) -> u64 {
    let [Some(x), Some(w), Some(r), ..] = inputs else { return 0 };
    let steps: usize = x.shape.iter().take(2).product();
    steps as u64 * (w.elements() + r.elements()) as u64
}

/// Weights as precise as they are given, since reading them takes most of the time.
enum Weights<'a> {
    Single(Cow<'a, [f32]>),
    Double(&'a [f64]),
}

impl<'a> Weights<'a> {
    fn of(tensor: &'a Tensor) -> Self {
        match tensor.dtype() {
            DType::F64 => Weights::Double(tensor.slice::<f64>()),
            DType::F32 => Weights::Single(Cow::Borrowed(tensor.slice::<f32>())),
            // Smaller floats are single ones, too.
            _ => Weights::Single(tensor.to_f64_vec().iter().map(|&v| v as f32).collect()),
        }
    }

    /// A row times a vector.
    fn dot(&self, row: usize, x: &[f64]) -> f64 {
        let at = row * x.len()..(row + 1) * x.len();
        match self {
            Weights::Single(w) => dot(&w[at], x),
            Weights::Double(w) => dot(&w[at], x),
        }
    }
}

/// Parameters of one direction.
pub(crate) struct Cell<'a> {
    r: &'a Weights<'a>,
    b: Vec<f64>,
    /// Peephole weights `[3, hidden]`.
    pub(crate) peephole: Vec<f64>,
    activations: Vec<Activation>,
    clip: f64,
    /// Rows of the weights in front of this direction's.
    first: usize,
    gates: usize,
    /// Size of the state.
    pub(crate) hidden: usize,
}

/// Sums that do not wait for each other.
const LANES: usize = 8;

fn dot<W: Copy + Into<f64>>(a: &[W], b: &[f64]) -> f64 {
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(&a, b)| a.into() * b).sum();
    let mut sums = [0.0; LANES];
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane].into() * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

impl Cell<'_> {
    /// `x W + Wb` of unit `j` of a gate, of the products of an input with all rows of the weights.
    pub(crate) fn input_sum(&self, gate: usize, j: usize, products: &[f64]) -> f64 {
        let row = gate * self.hidden + j;
        products[row] + self.b[row]
    }

    /// `h R + Rb` of unit `j` of a gate.
    pub(crate) fn state_sum(&self, gate: usize, j: usize, h: &[f64]) -> f64 {
        let row = gate * self.hidden + j;
        self.r.dot(self.first + row, h) + self.b[self.gates * self.hidden + row]
    }

    /// Activation `i` of a clipped value.
    pub(crate) fn activate(&self, i: usize, x: f64) -> f64 {
        self.activations[i].at(x.clamp(-self.clip, self.clip))
    }
}

/// A layer of the op's inputs: the products of all inputs with the weights, then the steps.
pub(crate) fn eval(a: &EvalArgs<'_>, kind: Kind, step: Step<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, w, r) = (a.input(0)?, a.input(1)?, a.input(2)?);
    let s = Sizes::read(x.shape(), r.shape(), a.attrs)?;
    let (xs, w) = (x.to_f64_vec(), Weights::of(w));
    let rows = s.directions * kind.gates * s.hidden;
    // A row of the weights is read once for all inputs.
    let mut products = vec![0.0; s.steps * s.batch * rows];
    for row in 0..rows {
        for t in 0..s.steps {
            for n in 0..s.batch {
                let from = s.input_at(t, n);
                products[(t * s.batch + n) * rows + row] = w.dot(row, &xs[from..from + s.input]);
            }
        }
    }
    let states = Inputs { r, bias: a.opt(3), lengths: a.opt(4), h: a.opt(5), c: a.opt(6), peephole: a.opt(7) };
    steps(a, kind, s, &products, &states, step)
}

/// The steps of a layer whose inputs' products are given, as LSTM has them: `[steps, batch, directions * rows]`, `r`, then
/// optional ones: biases, first states `h`, `c`, peephole weights.
pub(crate) fn eval_steps(a: &EvalArgs<'_>, kind: Kind, step: Step<'_>) -> Result<Vec<Tensor>, OpError> {
    let (x, r) = (a.input(0)?, a.input(1)?);
    let s = Sizes::read(x.shape(), r.shape(), a.attrs)?;
    let states = Inputs { r, bias: a.opt(2), lengths: None, h: a.opt(3), c: a.opt(4), peephole: a.opt(5) };
    steps(a, kind, s, &x.to_f64_vec(), &states, step)
}

/// `step(cell, products, h, c)` renews the states, given the products of an input with the weights.
pub(crate) type Step<'s> = &'s dyn Fn(&Cell<'_>, &[f64], &mut Vec<f64>, &mut Vec<f64>);

/// An evaluation of a kind of layer.
pub(crate) type Eval = fn(&EvalArgs<'_>, Kind, Step<'_>) -> Result<Vec<Tensor>, OpError>;

/// What the steps read beside the products.
struct Inputs<'a> {
    r: &'a Tensor,
    bias: Option<&'a Tensor>,
    lengths: Option<&'a Tensor>,
    h: Option<&'a Tensor>,
    c: Option<&'a Tensor>,
    peephole: Option<&'a Tensor>,
}

/// Walks all sequences. A finished sequence keeps its state and gives zeros.
fn steps(
    a: &EvalArgs<'_>,
    kind: Kind,
    s: Sizes,
    products: &[f64],
    inputs: &Inputs<'_>,
    step: Step<'_>,
) -> Result<Vec<Tensor>, OpError> {
    let rows = kind.gates * s.hidden;
    let or_zeros = |t: Option<&Tensor>, n: usize| t.map_or_else(|| vec![0.0; n], Tensor::to_f64_vec);
    let r = Weights::of(inputs.r);
    let b = or_zeros(inputs.bias, s.directions * 2 * rows);
    let states = s.directions * s.batch * s.hidden;
    let mut last_h = or_zeros(inputs.h, states);
    let mut last_c = or_zeros(inputs.c.filter(|_| kind.cell), states);
    let peephole = or_zeros(inputs.peephole.filter(|_| kind.cell), s.directions * 3 * s.hidden);
    let lengths = inputs.lengths.and_then(Tensor::to_i64_vec).unwrap_or_else(|| vec![s.steps as i64; s.batch]);
    if lengths.iter().any(|&n| n < 0 || n > s.steps as i64) {
        return Err(OpError::invalid(format!("a length is outside a sequence of {} steps", s.steps)));
    }
    let per_direction = kind.activations.len();
    let functions = activations(a.attrs, s.directions * per_direction)?;
    let clip = a.attrs.float("clip").map_or(f64::INFINITY, f64::from);
    let mut y = vec![0.0; s.steps * states];
    for d in 0..s.directions {
        let part = |v: &[f64], n: usize| v[d * n..(d + 1) * n].to_vec();
        let cell = Cell {
            r: &r,
            b: part(&b, 2 * rows),
            peephole: part(&peephole, 3 * s.hidden),
            activations: functions[d * per_direction..(d + 1) * per_direction].to_vec(),
            clip,
            first: d * rows,
            gates: kind.gates,
            hidden: s.hidden,
        };
        let backwards = d == 1 || a.attrs.str("direction") == Some("reverse");
        for (n, &length) in lengths.iter().enumerate() {
            let at = s.state_at(d, n);
            let mut h = last_h[at..at + s.hidden].to_vec();
            let mut c = last_c[at..at + s.hidden].to_vec();
            let length = length as usize;
            for i in 0..length {
                let t = if backwards { length - 1 - i } else { i };
                let from = ((t * s.batch + n) * s.directions + d) * rows;
                step(&cell, &products[from..from + rows], &mut h, &mut c);
                let to = s.output_at(t, d, n);
                y[to..to + s.hidden].copy_from_slice(&h);
            }
            last_h[at..at + s.hidden].copy_from_slice(&h);
            last_c[at..at + s.hidden].copy_from_slice(&c);
        }
    }
    let dtype: DType = inputs.r.dtype();
    let mut outputs = vec![(s.sequence(), y), (s.state(), last_h)];
    if kind.cell {
        outputs.push((s.state(), last_c));
    }
    outputs.truncate(a.outputs);
    Ok(outputs.into_iter().map(|(shape, data)| Tensor::from_f64(dtype, shape, &data)).collect())
}
