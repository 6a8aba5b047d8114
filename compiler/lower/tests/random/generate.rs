//! Random small graphs that type, and inputs for them.

use qcc_ir::TypedGraph;
use qcc_tensor::{DType, Tensor, TensorType};
use std::fmt::Write;

/// Largest magnitude of a float value, so that cancellation stays within the tolerance.
const LARGEST: f64 = 300.0;

/// Ops whose kernels treat infinities and NaN as the reference evaluation does.
const STRICT: &[&str] = &[
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Min",
    "Max",
    "Neg",
    "Abs",
    "Relu",
    "Clip",
    "Floor",
    "Ceil",
    "Round",
    "Sqrt",
    "Exp",
    "Sigmoid",
    "Tanh",
    "Erf",
    "Softmax",
    "Cast",
    "QuantizeLinear",
    "Requantize",
    "DequantizeLinear",
    "Transpose",
    "Reshape",
    "Slice",
    "Concat",
    "Pad",
    "Expand",
];

/// Reproducible choices.
struct Choice(u64);

impl Choice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn ints(&mut self, n: usize, low: i64, high: i64) -> Vec<i64> {
        (0..n).map(|_| low + self.below((high - low + 1) as usize) as i64).collect()
    }
}

/// A value of the graph under construction.
#[derive(Clone)]
struct Value {
    name: String,
    ty: TensorType,
    /// Whether kernels give the same bits as the reference evaluation.
    exact: bool,
    /// Largest magnitude of the floats it was computed from.
    scale: f64,
    /// Whether it holds neither infinities nor NaN.
    finite: bool,
    used: bool,
}

/// A graph under construction, as text.
struct Build {
    choice: Choice,
    lines: String,
    values: Vec<Value>,
    names: usize,
}

impl Build {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("%{}", self.names)
    }

    fn constant(&mut self, lines: &mut String, text: &str) -> String {
        let name = self.name();
        writeln!(lines, "  {name} = const {text}").expect("strings grow");
        name
    }

    fn list(&mut self, lines: &mut String, numbers: &[i64]) -> String {
        let text = format!("i64[{}] {numbers:?}", numbers.len());
        self.constant(lines, &text)
    }

    fn random(&mut self, lines: &mut String, dtype: &str, shape: &[usize]) -> String {
        let (name, seed) = (self.name(), self.choice.below(1000));
        writeln!(lines, "  {name} = rand {dtype}{shape:?} seed={seed}").expect("strings grow");
        name
    }

    fn shape(&mut self) -> Vec<usize> {
        let rank = self.choice.of(&[0, 1, 2, 3, 4, 4, 4, 4, 5]);
        let hole = self.choice.one_in(12);
        (0..rank).map(|_| if hole && self.choice.one_in(3) { 0 } else { 1 + self.choice.below(5) }).collect()
    }

    fn input(&mut self) {
        let dtype = self.choice.of(&[DType::F32, DType::F32, DType::U8, DType::I8]);
        let (name, shape) = (self.name(), self.shape());
        writeln!(self.lines, "  {name} = input : {}{shape:?}", dtype.name()).expect("strings grow");
        self.values.push(Value {
            name,
            ty: TensorType::new(dtype, shape),
            exact: true,
            scale: 1.0,
            finite: true,
            used: false,
        });
    }

    /// A shape that broadcasts with `shape`, more often than not.
    fn partner(&mut self, shape: &[usize]) -> Vec<usize> {
        let skip = self.choice.below(shape.len() + 1);
        let mut other: Vec<usize> = shape[skip..].iter().map(|&d| if self.choice.one_in(2) { 1 } else { d }).collect();
        if self.choice.one_in(6) && other.len() == shape.len() && shape.len() < 5 {
            other.insert(0, 1 + self.choice.below(2));
        }
        other
    }

    /// The second operand of a binary op: another value of the type, or a constant.
    fn operand(&mut self, lines: &mut String, x: &Value, inputs: &mut Vec<usize>) -> String {
        if self.choice.one_in(2) {
            let same: Vec<usize> = (0..self.values.len()).filter(|&i| self.values[i].ty.dtype == x.ty.dtype).collect();
            let i = self.choice.of(&same);
            inputs.push(i);
            return self.values[i].name.clone();
        }
        let shape = self.partner(&x.ty.shape);
        self.random(lines, x.ty.dtype.name(), &shape)
    }

    /// A zero-point, or `_`.
    fn zero(&mut self, lines: &mut String, dtype: DType) -> String {
        if self.choice.one_in(4) {
            return "_".into();
        }
        let value = match dtype {
            DType::U8 => self.choice.below(256) as i64,
            _ => self.choice.below(256) as i64 - 128,
        };
        let shape = self.choice.of(&["[]", "[1]"]);
        let text = if shape == "[]" { format!("{value}") } else { format!("[{value}]") };
        self.constant(lines, &format!("{}{shape} {text}", dtype.name()))
    }

    fn window(&mut self, kernel: [usize; 2]) -> String {
        let c = &mut self.choice;
        let layout = if c.one_in(4) { "NCHW" } else { "NHWC" };
        let pads = if c.one_in(3) { vec![0; 4] } else { c.ints(4, 0, 2) };
        let (strides, dilations) = (c.ints(2, 1, 2), c.ints(2, 1, 2));
        format!(
            "dilations: {dilations:?}, kernel_shape: {kernel:?}, layout: \"{layout}\", pads: {pads:?}, strides: {strides:?}"
        )
    }

    /// Adds one op, if the one drawn types.
    fn step(&mut self) {
        let at = self.choice.below(self.values.len());
        let x = self.values[at].clone();
        let mut lines = String::new();
        let mut inputs = vec![at];
        let Some((call, exact)) = self.call(&mut lines, &x, &mut inputs) else { return };
        let name = self.name();
        writeln!(lines, "  {name} = {call}").expect("strings grow");
        let text = format!("graph \"random\" {{\n{}{lines}  output \"y\" = {name}\n}}\n", self.lines);
        let graph = qcc_ir::parse(&text).unwrap_or_else(|e| panic!("{}\n{text}", e.message));
        let Ok(graph) = qcc_ir::infer(&graph) else { return };
        let Ok(result) = qcc_ir::evaluate(&graph, &inputs_of(&graph)) else { return };
        let mut scale = inputs.iter().map(|&i| self.values[i].scale).fold(1.0, f64::max);
        if result[0].dtype() == DType::F32 {
            scale = result[0].to_f64_vec().iter().filter(|v| v.is_finite()).fold(scale, |m, v| m.max(v.abs()));
        }
        if scale > LARGEST || result[0].elements() > 4000 {
            return;
        }
        // Some folds of kernels are made for finite numbers; the other ops are not.
        let name_of_op = call.split('(').next().unwrap_or_default();
        let finite = result[0].to_f64_vec().iter().all(|v| v.is_finite());
        let from_finite = inputs.iter().all(|&i| self.values[i].finite);
        let strict = STRICT.contains(&name_of_op) || (name_of_op == "MaxPool" && from_finite);
        if !(strict || (finite && from_finite)) {
            return;
        }
        let exact = exact && inputs.iter().all(|&i| self.values[i].exact);
        inputs.iter().for_each(|&i| self.values[i].used = true);
        self.lines += &lines;
        self.values.push(Value { name, ty: result[0].ty().clone(), exact, scale, finite, used: false });
    }

    /// The text of an op on `x`, the constants it needs, and whether kernels compute it to the bit.
    fn call(&mut self, lines: &mut String, x: &Value, inputs: &mut Vec<usize>) -> Option<(String, bool)> {
        let (dtype, shape, rank) = (x.ty.dtype, x.ty.shape.to_vec(), x.ty.rank());
        let (x_name, float, codes) = (x.name.clone(), dtype == DType::F32, matches!(dtype, DType::U8 | DType::I8));
        let any_axis = rank.max(1);
        Some(match self.choice.below(26) {
            0 | 1 => {
                let op = self.choice.of(&["Add", "Sub", "Mul", "Min", "Max", "Div"]);
                let y = self.operand(lines, x, inputs);
                if op == "Div" && inputs.iter().any(|&i| !self.values[i].exact) {
                    return None;
                }
                if self.choice.one_in(2) {
                    (format!("{op}({x_name}, {y})"), true)
                } else {
                    (format!("{op}({y}, {x_name})"), true)
                }
            }
            2 => {
                let op = self.choice.of(&["Relu", "Neg", "Abs", "Floor", "Ceil", "Round", "Sqrt"]);
                if op != "Relu" && !x.exact {
                    return None;
                }
                (format!("{op}({x_name})"), true)
            }
            3 => {
                let op =
                    self.choice.of(&["Sigmoid", "Tanh", "Exp", "Erf", "HardSwish", "HardSigmoid", "LeakyRelu", "Gelu"]);
                (format!("{op}({x_name})"), false)
            }
            4 => {
                let (low, high) = match dtype {
                    DType::F32 => (-2, 2),
                    DType::I8 => (-60, 60),
                    _ => (20, 200),
                };
                let mut bound = |b: &mut Build, at: i64| {
                    if b.choice.one_in(3) {
                        return "_".to_string();
                    }
                    let v = at + b.choice.below(30) as i64 - 15;
                    let v = if float {
                        format!("{}.5", v / 10)
                    } else {
                        v.max(if dtype == DType::U8 { 0 } else { -100 }).to_string()
                    };
                    b.constant(lines, &format!("{}[] {v}", dtype.name()))
                };
                let (lo, hi) = (bound(self, low), bound(self, high));
                (format!("Clip({x_name}, {lo}, {hi})"), true)
            }
            5 => {
                let to = self.choice.of(&["f32", "i32", "u8", "i8"]);
                if !x.exact || (float && to != "f32") {
                    return None;
                }
                (format!("Cast({x_name}) {{to: {to}}}"), true)
            }
            6 | 7 => {
                if !x.exact || !(float || dtype == DType::I32) {
                    return None;
                }
                let to = self.choice.of(&[DType::U8, DType::I8]);
                let zero = self.zero(lines, to);
                let scale = self.constant(lines, if float { "f32[] 0.01" } else { "f32[] 20.5" });
                let attrs = if zero == "_" { format!("{{output_dtype: {}}}", to.name()) } else { "{}".into() };
                if self.choice.one_in(4) && zero != "_" {
                    (format!("Requantize({x_name}, {scale}, {zero}) {{dtype: {}}}", to.name()), true)
                } else {
                    (format!("QuantizeLinear({x_name}, {scale}, {zero}) {attrs}"), true)
                }
            }
            8 | 9 => {
                if float {
                    return None;
                }
                let axis = self.choice.below(any_axis);
                if rank > 0 && self.choice.one_in(2) {
                    let scale = self.random(lines, "f32", &[shape[axis]]);
                    return Some((format!("DequantizeLinear({x_name}, {scale}) {{axis: {axis}}}"), true));
                }
                let (scale, zero) = (self.constant(lines, "f32[] 0.01"), self.zero(lines, dtype));
                (format!("DequantizeLinear({x_name}, {scale}, {zero})"), true)
            }
            10 => {
                let mut perm: Vec<usize> = (0..rank).collect();
                (0..rank).for_each(|i| perm.swap(i, self.choice.below(rank)));
                (format!("Transpose({x_name}) {{perm: {perm:?}}}"), true)
            }
            11 => {
                let n = x.ty.elements() as i64;
                let last = shape.last().map_or(1, |&v| v as i64).max(1);
                let to = match self.choice.below(4) {
                    0 => vec![n],
                    1 => vec![1, n / last, last],
                    2 => vec![n / last, 1, 1, last],
                    _ => vec![1, 1, n / last, 1, last],
                };
                let to = self.list(lines, &to);
                (format!("Reshape({x_name}, {to}) {{allowzero: 1}}"), true)
            }
            12 => {
                if rank == 0 {
                    return None;
                }
                let n = 1 + self.choice.below(rank.min(2));
                let mut axes: Vec<i64> = (0..rank as i64).collect();
                (0..rank).for_each(|i| axes.swap(i, self.choice.below(rank)));
                axes.truncate(n);
                axes.iter_mut().for_each(|a| {
                    if self.choice.one_in(3) {
                        *a -= rank as i64
                    }
                });
                let (starts, ends) = (self.choice.ints(n, -6, 5), self.choice.ints(n, -6, 6));
                let steps: Vec<i64> = (0..n).map(|_| self.choice.of(&[1, 1, 2, -1, -2])).collect();
                let [starts, ends, axes, steps] = [starts, ends, axes, steps].map(|l| self.list(lines, &l));
                (format!("Slice({x_name}, {starts}, {ends}, {axes}, {steps})"), true)
            }
            13 => {
                let y = self.operand(lines, x, inputs);
                let axis = self.choice.below(any_axis) as i64 - if self.choice.one_in(2) { rank as i64 } else { 0 };
                let y = if self.choice.one_in(2) { x_name.clone() } else { y };
                (format!("Concat({x_name}, {y}) {{axis: {axis}}}"), true)
            }
            14 => {
                let pads = if self.choice.one_in(5) {
                    self.choice.ints(2 * rank, -1, 1)
                } else {
                    self.choice.ints(2 * rank, 0, 2)
                };
                let pads = self.list(lines, &pads);
                let value = if self.choice.one_in(2) { "_".into() } else { self.random(lines, dtype.name(), &[]) };
                (format!("Pad({x_name}, {pads}, {value})"), true)
            }
            15 => {
                let to: Vec<i64> =
                    shape.iter().map(|&d| if d == 1 { 1 + self.choice.below(3) as i64 } else { d as i64 }).collect();
                let to = if self.choice.one_in(3) { [vec![2], to].concat() } else { to };
                let to = self.list(lines, &to);
                (format!("Expand({x_name}, {to})"), true)
            }
            16 => {
                let &k = shape.last()?;
                if float {
                    let n = 1 + self.choice.below(9);
                    let batch = shape[..rank.saturating_sub(2)].to_vec();
                    let batch = if self.choice.one_in(2) { vec![] } else { batch };
                    let w = self.random(lines, "f32", &[batch, vec![k, n]].concat());
                    if self.choice.one_in(3) && rank == 2 {
                        let bias = self.random(lines, "f32", &[n]);
                        return Some((format!("Gemm({x_name}, {w}, {bias})"), false));
                    }
                    (format!("MatMul({x_name}, {w})"), false)
                } else {
                    let n = 1 + self.choice.below(20);
                    let w = self.random(lines, "i8", &[k, n]);
                    let zero = self.zero(lines, dtype);
                    let bias = if self.choice.one_in(2) { "_".into() } else { self.random(lines, "i32", &[n]) };
                    (format!("IMatMul({x_name}, {w}, {zero}, _, {bias})"), true)
                }
            }
            17..=19 => {
                let &[_, _, _, last] = shape.as_slice() else { return None };
                let kernel = [1 + self.choice.below(3), 1 + self.choice.below(3)];
                let attrs = self.window(kernel);
                let c = if attrs.contains("NHWC") { last } else { shape[1] };
                let divisors: Vec<usize> = (1..=c).filter(|g| c % g == 0).collect();
                let group = if divisors.is_empty() { 1 } else { self.choice.of(&divisors) };
                let filters = if self.choice.one_in(2) { group } else { group * (1 + self.choice.below(3)) };
                let dims = [filters, c / group, kernel[0], kernel[1]];
                if float {
                    let w = self.random(lines, "f32", &dims);
                    let bias = if self.choice.one_in(3) { self.random(lines, "f32", &[filters]) } else { "_".into() };
                    (format!("Conv({x_name}, {w}, {bias}) {{group: {group}, {attrs}}}"), false)
                } else {
                    let codes = if self.choice.one_in(4) { "u8" } else { "i8" };
                    let w = self.random(lines, codes, &dims);
                    let zero = self.zero(lines, dtype);
                    let bias = if self.choice.one_in(2) { "_".into() } else { self.random(lines, "i32", &[filters]) };
                    (format!("IConv({x_name}, {w}, {zero}, _, {bias}) {{group: {group}, {attrs}}}"), true)
                }
            }
            20 | 21 => {
                let kernel = [1 + self.choice.below(3), 1 + self.choice.below(3)];
                let attrs = self.window(kernel);
                let ceil = usize::from(self.choice.one_in(4));
                match self.choice.below(3) {
                    0 if codes => {
                        let zero = self.zero(lines, dtype);
                        (format!("ISumPool({x_name}, {zero}) {{ceil_mode: {ceil}, {attrs}}}"), true)
                    }
                    1 if float => {
                        let counts = self.choice.below(2);
                        (
                            format!(
                                "AveragePool({x_name}) {{ceil_mode: {ceil}, count_include_pad: {counts}, {attrs}}}"
                            ),
                            false,
                        )
                    }
                    _ => (format!("MaxPool({x_name}) {{ceil_mode: {ceil}, {attrs}}}"), true),
                }
            }
            22 => {
                let layout = self.choice.of(&["NHWC", "NHWC", "NCHW"]);
                (format!("GlobalAveragePool({x_name}) {{layout: \"{layout}\"}}"), false)
            }
            23 | 24 => {
                let keep = self.choice.below(2);
                let axes = match self.choice.below(3) {
                    0 => vec![1, 2],
                    1 => vec![-1],
                    _ => vec![self.choice.below(any_axis) as i64],
                };
                if codes {
                    let zero = self.zero(lines, dtype);
                    return Some((format!("IReduceSum({x_name}, {zero}) {{axes: {axes:?}, keepdims: {keep}}}"), true));
                }
                let op = self.choice.of(&["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"]);
                let axes = self.list(lines, &axes);
                (format!("{op}({x_name}, {axes}) {{keepdims: {keep}}}"), dtype == DType::I32)
            }
            _ => {
                let axis = if self.choice.one_in(3) { self.choice.below(any_axis) as i64 } else { -1 };
                (format!("Softmax({x_name}) {{axis: {axis}}}"), false)
            }
        })
    }
}

/// Deterministic inputs of a graph.
pub fn inputs_of(graph: &TypedGraph) -> Vec<Tensor> {
    let g = graph.graph();
    let ids = g.inputs().iter();
    ids.map(|id| {
        let ty = graph.ty(id.output(0));
        let mut numbers = Choice(u64::from(id.0) + 77);
        let data: Vec<f64> = (0..ty.elements())
            .map(|_| match ty.dtype {
                DType::F32 => numbers.below(4001) as f64 / 1000.0 - 2.0,
                DType::I8 => numbers.below(256) as f64 - 128.0,
                _ => numbers.below(256) as f64,
            })
            .collect();
        Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), &data)
    })
    .collect()
}

/// A random graph and the tolerance of each output.
pub fn random_graph(seed: u64) -> Option<(TypedGraph, Vec<f64>)> {
    let choice = Choice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678);
    let mut build = Build { choice, lines: String::new(), values: Vec::new(), names: 0 };
    build.choice.below(2);
    (0..=build.choice.below(2)).for_each(|_| build.input());
    let (inputs, steps) = (build.values.len(), 3 + build.choice.below(14));
    (0..steps).for_each(|_| build.step());
    if build.values.len() == inputs {
        return None;
    }
    let mut text = format!("graph \"random {seed}\" {{\n{}", build.lines);
    let mut tolerances = Vec::new();
    for value in &build.values {
        if !value.used || build.choice.one_in(6) {
            writeln!(text, "  output \"o{}\" = {}", tolerances.len(), value.name).expect("strings grow");
            tolerances.push(1e-4 * value.scale);
        }
    }
    text += "}\n";
    let graph = qcc_ir::parse(&text).unwrap_or_else(|e| panic!("{}\n{text}", e.message));
    Some((qcc_ir::infer(&graph).unwrap_or_else(|e| panic!("{}\n{text}", e[0].message)), tolerances))
}
