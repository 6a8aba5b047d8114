//! What the kernel tests share: data, layouts, running a kernel both ways, evaluating a body through the operators.
#![allow(unsafe_code, reason = "compiled kernels are called")]
#![allow(dead_code, reason = "every test file uses a part of it")]

use qcc_jit::{CpuFeatures, compile};
use qcc_kernel::{Width, interpret, verify};
use qcc_lower::kernels::body::{Body, Compare, Fn1, Fn2, Node, NodeId, Operand};
use qcc_lower::kernels::layout::{Elem, TensorLayout};
use qcc_lower::kernels::{Arg, Generated};
use qcc_ops::{AttrValue, Attrs, InferInput, find};
use qcc_tensor::{DType, Tensor};

/// What the bytes outside of a result hold before and after.
const UNTOUCHED: u8 = 0xa5;

/// Repeatable data.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    /// A dense tensor; codes are often extreme, floats include zeros and large numbers.
    pub fn tensor(&mut self, elem: Elem, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        let shape = shape.to_vec();
        let mut code = || match self.next() % 5 {
            0 => 0u8,
            1 => 255,
            2 => 128,
            _ => (self.next() >> 8) as u8,
        };
        match elem {
            Elem::U8 => Tensor::new(shape, (0..n).map(|_| code()).collect()),
            Elem::I8 => Tensor::new(shape, (0..n).map(|_| code() as i8).collect()),
            Elem::I16 => {
                let mut code = || i16::from_le_bytes([code(), code()]);
                Tensor::new(shape, (0..n).map(|_| code()).collect())
            }
            Elem::I32 => Tensor::new(shape, (0..n).map(|_| self.accumulator()).collect()),
            Elem::F32 => Tensor::new(shape, (0..n).map(|_| self.float()).collect()),
        }
    }

    fn accumulator(&mut self) -> i32 {
        match self.next() % 8 {
            0 => 0,
            1 => i32::MAX,
            2 => i32::MIN,
            3 => self.next() as i32,
            4 => (self.next() as i32) >> 8,
            _ => (self.next() as i32) >> 20,
        }
    }

    fn float(&mut self) -> f32 {
        let sign = if self.next().is_multiple_of(2) { 1.0 } else { -1.0 };
        match self.next() % 16 {
            15 => f32::NAN,
            14 => sign * f32::INFINITY,
            0 => 0.0,
            1 => sign * 1e30,
            2 => sign * 0.5,
            3 => sign * 1e4 * self.unit(),
            _ => sign * 8.0 * self.unit(),
        }
    }

    pub fn unit(&mut self) -> f32 {
        (self.next() >> 8) as f32 / (1 << 24) as f32
    }
}

pub fn dtype(elem: Elem) -> DType {
    match elem {
        Elem::U8 => DType::U8,
        Elem::I8 => DType::I8,
        Elem::I16 => DType::I16,
        Elem::I32 => DType::I32,
        Elem::F32 => DType::F32,
    }
}

pub fn shape(l: &TensorLayout) -> [usize; 4] {
    [l.n, l.h, l.w, l.c]
}

/// The buffer that holds a dense tensor in a layout; everything else is `fill`.
pub fn lay_out(tensor: &Tensor, layout: &TensorLayout, fill: u8) -> Vec<u8> {
    assert_eq!(tensor.shape(), shape(layout));
    let mut buffer = vec![fill; layout.bytes()];
    let bytes = layout.c * layout.elem.bytes();
    for (i, (n, y, x)) in pixels(layout).enumerate() {
        let at = start(layout, n, y, x);
        buffer[at..at + bytes].copy_from_slice(&tensor.bytes()[i * bytes..(i + 1) * bytes]);
    }
    buffer
}

/// The dense tensor a buffer holds. Everything else must be as [`untouched`] made it.
pub fn read_back(buffer: &[u8], layout: &TensorLayout) -> Tensor {
    let mut rest = buffer.to_vec();
    let mut dense = Vec::new();
    let bytes = layout.c * layout.elem.bytes();
    for (n, y, x) in pixels(layout) {
        let at = start(layout, n, y, x);
        dense.extend_from_slice(&buffer[at..at + bytes]);
        rest[at..at + bytes].fill(UNTOUCHED);
    }
    assert!(rest.iter().all(|&b| b == UNTOUCHED), "bytes outside of the result were written");
    from_bytes(layout.elem, &shape(layout), &dense)
}

pub fn untouched(bytes: usize) -> Vec<u8> {
    vec![UNTOUCHED; bytes]
}

pub fn from_bytes(elem: Elem, shape: &[usize], bytes: &[u8]) -> Tensor {
    let words = || bytes.chunks_exact(4).map(|w| [w[0], w[1], w[2], w[3]]);
    match elem {
        Elem::U8 => Tensor::new(shape.to_vec(), bytes.to_vec()),
        Elem::I8 => Tensor::new(shape.to_vec(), bytes.iter().map(|&b| b as i8).collect()),
        Elem::I16 => {
            let codes = bytes.chunks_exact(2).map(|w| i16::from_le_bytes([w[0], w[1]]));
            Tensor::new(shape.to_vec(), codes.collect())
        }
        Elem::I32 => Tensor::new(shape.to_vec(), words().map(i32::from_le_bytes).collect()),
        Elem::F32 => Tensor::new(shape.to_vec(), words().map(f32::from_le_bytes).collect()),
    }
}

fn pixels(layout: &TensorLayout) -> impl Iterator<Item = (usize, usize, usize)> {
    let (n, h, w) = (layout.n, layout.h, layout.w);
    (0..n).flat_map(move |n| (0..h).flat_map(move |y| (0..w).map(move |x| (n, y, x))))
}

fn start(layout: &TensorLayout, n: usize, y: usize, x: usize) -> usize {
    n * layout.image_stride() + layout.offset(y as isize, x as isize) as usize
}

/// Runs a kernel in the interpreter and as machine code, in one piece and in two, and returns the output buffer.
pub fn run(generated: &Generated, inputs: &[&[u8]], operands: &[&[u8]], output_bytes: usize) -> Vec<u8> {
    let kernel = &generated.kernel;
    if let Err(why) = verify(kernel) {
        panic!("{why}\n{kernel}");
    }
    assert_eq!(generated.args.len(), kernel.buffers.len());
    let fresh = || -> Vec<Vec<u8>> {
        let of = |arg: &Arg| match arg {
            Arg::Input(i) => inputs[*i as usize].to_vec(),
            Arg::Operand(i) => operands[*i as usize].to_vec(),
            Arg::Output => untouched(output_bytes),
            Arg::Constants => generated.constants.clone(),
            Arg::Scratch(bytes) => vec![0x77; *bytes as usize],
        };
        generated.args.iter().map(of).collect()
    };
    for (buffer, declared) in fresh().iter().zip(&kernel.buffers) {
        assert!(buffer.len() >= declared.bytes, "{}: {} of {} bytes", declared.name, buffer.len(), declared.bytes);
    }
    let output = generated.args.iter().position(|a| *a == Arg::Output).expect("a kernel has an output");
    let tasks = u64::from(kernel.tasks);
    let mut interpreted = fresh();
    let mut slices: Vec<&mut [u8]> = interpreted.iter_mut().map(Vec::as_mut_slice).collect();
    if let Err(why) = interpret(kernel, &mut slices, 0, tasks) {
        panic!("{why}\n{kernel}");
    }
    for features in [CpuFeatures::detect(), CpuFeatures::baseline()] {
        let module = compile(std::slice::from_ref(kernel), &features).expect("the kernel compiles");
        for parts in [vec![(0, tasks)], vec![(tasks / 2, tasks), (0, tasks / 2)]] {
            let mut compiled = fresh();
            let pointers: Vec<*mut u8> = compiled.iter_mut().map(|b| b.as_mut_ptr()).collect();
            for (begin, end) in parts {
                // SAFETY: one buffer of at least the declared size per declaration, checked above.
                unsafe { module.entry(0).call(&pointers, begin, end) };
            }
            assert!(compiled[output] == interpreted[output], "code and interpreter differ\n{kernel}");
        }
    }
    interpreted.swap_remove(output)
}

/// Runs a kernel whose inputs and operands are dense tensors laid out as given, and returns the dense result.
pub fn run_tensors(
    generated: &Generated,
    inputs: &[(&Tensor, &TensorLayout, u8)],
    operands: &[(&Tensor, &TensorLayout)],
    output: &TensorLayout,
) -> Tensor {
    let inputs: Vec<Vec<u8>> = inputs.iter().map(|(t, l, fill)| lay_out(t, l, *fill)).collect();
    let operands: Vec<Vec<u8>> = operands.iter().map(|(t, l)| lay_out(t, l, 0xee)).collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let operands: Vec<&[u8]> = operands.iter().map(Vec::as_slice).collect();
    read_back(&run(generated, &inputs, &operands, output.bytes()), output)
}

/// The kernel of a specification for registers of both widths.
pub fn widths(generate: impl Fn(Width) -> Result<Generated, String>) -> [Generated; 2] {
    [Width::V128, Width::V256].map(|width| generate(width).unwrap_or_else(|why| panic!("{width:?}: {why}")))
}

/// Runs the kernels of both widths, which give the same bits.
pub fn run_widths(
    generated: &[Generated; 2],
    inputs: &[(&Tensor, &TensorLayout, u8)],
    operands: &[(&Tensor, &TensorLayout)],
    output: &TensorLayout,
) -> Tensor {
    let [narrow, wide] = [0, 1].map(|i| run_tensors(&generated[i], inputs, operands, output));
    assert!(narrow.bytes() == wide.bytes(), "the widths differ\n{}", generated[1].kernel);
    narrow
}

/// Infers and evaluates an operator.
pub fn op(name: &str, inputs: &[Option<&Tensor>], attrs: Attrs) -> Tensor {
    let op = find(name).expect("the operator is registered");
    let mut attrs = attrs;
    let typed: Vec<Option<InferInput<'_>>> =
        inputs.iter().map(|t| t.map(|t| InferInput { ty: t.ty(), value: Some(t) })).collect();
    op.infer(&typed, &mut attrs, 1).unwrap_or_else(|why| panic!("{name}: {why}"));
    op.eval(inputs, &attrs, 1).unwrap_or_else(|why| panic!("{name}: {why}")).remove(0)
}

fn scalar(dtype: DType, value: i32) -> Tensor {
    match dtype {
        DType::U8 => Tensor::new([], vec![value as u8]),
        DType::I8 => Tensor::new([], vec![value as i8]),
        DType::I16 => Tensor::new([], vec![value as i16]),
        _ => Tensor::new([], vec![value]),
    }
}

fn cast(x: &Tensor, to: DType) -> Tensor {
    op("Cast", &[Some(x)], Attrs::new().with("to", AttrValue::Type(to)))
}

/// Codes as I32, numbers as they are.
fn number(x: &Tensor) -> Tensor {
    if matches!(x.dtype(), DType::U8 | DType::I8 | DType::I16) { cast(x, DType::I32) } else { x.clone() }
}

fn zip(x: &Tensor, y: &Tensor, float: impl Fn(f32, f32) -> f32, int: impl Fn(i32, i32) -> i32) -> Tensor {
    let full = |a: &Tensor, b: &Tensor| {
        let shape = Tensor::new([b.rank()], b.shape().iter().map(|&d| d as i64).collect());
        op("Expand", &[Some(a), Some(&shape)], Attrs::new())
    };
    let x = full(x, y);
    let y = full(y, &x);
    let shape = x.shape().to_vec();
    if x.dtype() == DType::F32 {
        Tensor::new(shape, x.slice::<f32>().iter().zip(y.slice::<f32>()).map(|(&a, &b)| float(a, b)).collect())
    } else {
        Tensor::new(shape, x.slice::<i32>().iter().zip(y.slice::<i32>()).map(|(&a, &b)| int(a, b)).collect())
    }
}

/// The body on dense tensors, node by node through the operators' reference evaluation.
pub fn evaluate(body: &Body, core: Option<&Tensor>, operands: &[Tensor], output: &TensorLayout) -> Tensor {
    let full: Vec<i64> = shape(output).iter().map(|&d| d as i64).collect();
    let full = Tensor::new([4], full);
    let expand = |t: &Tensor| op("Expand", &[Some(t), Some(&full)], Attrs::new());
    let mut tensors = operands.iter();
    let sources: Vec<Tensor> = body
        .operands
        .iter()
        .map(|operand| match operand {
            Operand::ChannelF32(values) => Tensor::new([values.len()], values.clone()),
            Operand::ChannelI32(values) => Tensor::new([values.len()], values.clone()),
            Operand::Tensor(_) => expand(tensors.next().expect("a tensor for every operand")),
        })
        .collect();
    let mut values: Vec<Tensor> = Vec::new();
    for node in &body.nodes {
        let get = |id: &NodeId| &values[id.0 as usize];
        let axis = |scale: &Tensor| {
            let axis = if scale.elements() == 1 { 0 } else { 3 };
            Attrs::new().with("axis", AttrValue::Int(axis))
        };
        let scale = |id: &NodeId| {
            let s = get(id);
            if s.elements() == 1 { Tensor::new([], s.slice::<f32>().to_vec()) } else { s.clone() }
        };
        let value = match node {
            Node::Core => core.expect("a core").clone(),
            Node::Operand(i) => sources[*i as usize].clone(),
            Node::F32(v) => Tensor::new([], vec![*v]),
            Node::I32(v) => Tensor::new([], vec![*v]),
            Node::Unary(f, x) => {
                let name = match f {
                    Fn1::Neg => "Neg",
                    Fn1::Abs => "Abs",
                    Fn1::Sqrt => "Sqrt",
                    Fn1::Floor => "Floor",
                    Fn1::Ceil => "Ceil",
                    Fn1::Round => "Round",
                    Fn1::Exp => "Exp",
                    Fn1::Tanh => "Tanh",
                    Fn1::Sigmoid => "Sigmoid",
                    Fn1::Erf => "Erf",
                };
                op(name, &[Some(&number(get(x)))], Attrs::new())
            }
            Node::Binary(f, x, y) => {
                let (x, y) = (number(get(x)), number(get(y)));
                match f {
                    Fn2::Add => op("Add", &[Some(&x), Some(&y)], Attrs::new()),
                    Fn2::Sub => op("Sub", &[Some(&x), Some(&y)], Attrs::new()),
                    Fn2::Mul => op("Mul", &[Some(&x), Some(&y)], Attrs::new()),
                    Fn2::Div => op("Div", &[Some(&x), Some(&y)], Attrs::new()),
                    Fn2::Min => zip(&x, &y, |a, b| if a < b { a } else { b }, i32::min),
                    Fn2::Max => zip(&x, &y, |a, b| if a > b { a } else { b }, i32::max),
                }
            }
            Node::ToF32(x) => cast(get(x), DType::F32),
            Node::ToI32(x) => {
                let x = get(x);
                let nearest = |v: &f32| {
                    let r = v.round_ties_even();
                    if (-2147483648.0..2147483648.0).contains(&r) { r as i32 } else { i32::MIN }
                };
                Tensor::new(x.shape().to_vec(), x.slice::<f32>().iter().map(nearest).collect())
            }
            Node::Dequantize { q, scale: s, zero_point } => {
                let (q, s) = (get(q), scale(s));
                let zero = scalar(q.dtype(), *zero_point);
                op("DequantizeLinear", &[Some(q), Some(&s), Some(&zero)], axis(&s))
            }
            Node::Quantize { x, scale: s, zero_point, to } => {
                let s = scale(s);
                let zero = scalar(dtype(*to), *zero_point);
                op("QuantizeLinear", &[Some(get(x)), Some(&s), Some(&zero)], axis(&s))
            }
            Node::Requantize { acc, multiplier, zero_point, to } => {
                let m = scale(multiplier);
                let zero = scalar(dtype(*to), *zero_point);
                op("Requantize", &[Some(get(acc)), Some(&m), Some(&zero)], axis(&m))
            }
            Node::ClipCode { q, lo, hi } => {
                let q = get(q);
                let (lo, hi) = (scalar(q.dtype(), *lo), scalar(q.dtype(), *hi));
                op("Clip", &[Some(q), Some(&lo), Some(&hi)], Attrs::new())
            }
            Node::Lookup { q, table, to } => {
                let q = get(q);
                let flip = if q.dtype() == DType::I8 { 0x80 } else { 0 };
                let ordered: Vec<u8> = (0..256).map(|i| table[i ^ flip]).collect();
                op("Lookup", &[Some(q), Some(&from_bytes(*to, &[256], &ordered))], Attrs::new())
            }
            Node::Test { compare, x, y } => {
                let holds = op(compared(*compare), &[Some(&number(get(x))), Some(&number(get(y)))], Attrs::new());
                from_bytes(Elem::U8, holds.shape(), holds.bytes())
            }
            Node::Select { compare, x, y, a, b } => {
                let mask = op(compared(*compare), &[Some(&number(get(x))), Some(&number(get(y)))], Attrs::new());
                let (a, b) = (get(a), get(b));
                let (a, b) = if a.dtype() == b.dtype() { (a.clone(), b.clone()) } else { (number(a), number(b)) };
                op("Where", &[Some(&mask), Some(&a), Some(&b)], Attrs::new())
            }
        };
        values.push(value);
    }
    expand(&values[body.result.0 as usize])
}

/// Equal bit for bit, except that any NaN equals any NaN.
pub fn assert_same(case: &str, got: &Tensor, want: &Tensor) {
    assert_eq!(got.ty(), want.ty(), "{case}");
    if got.dtype() == DType::F32 {
        for (i, (g, w)) in got.slice::<f32>().iter().zip(want.slice::<f32>()).enumerate() {
            assert!(g.to_bits() == w.to_bits() || g.is_nan() && w.is_nan(), "{case}: element {i} is {g:?}, not {w:?}");
        }
        return;
    }
    let (g, w) = (got.to_i64_vec().expect("integers"), want.to_i64_vec().expect("integers"));
    if let Some(i) = (0..g.len()).find(|&i| g[i] != w[i]) {
        panic!("{case}: element {i} is {}, not {}", g[i], w[i]);
    }
}

/// Equal within a relative and absolute tolerance.
pub fn assert_close(case: &str, got: &Tensor, want: &Tensor, tolerance: f32) {
    assert_eq!(got.ty(), want.ty(), "{case}");
    for (i, (g, w)) in got.slice::<f32>().iter().zip(want.slice::<f32>()).enumerate() {
        let close = (g - w).abs() <= tolerance * w.abs().max(1.0);
        assert!(close, "{case}: element {i} is {g:?}, not {w:?}");
    }
}

/// The op of a comparison.
fn compared(compare: Compare) -> &'static str {
    match compare {
        Compare::Eq => "Equal",
        Compare::Gt => "Greater",
        Compare::Ge => "GreaterOrEqual",
    }
}
