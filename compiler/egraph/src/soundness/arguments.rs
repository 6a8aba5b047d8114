//! What operators ask of their arguments.
//!
//! Wishes guide generation towards calls that have a type; an operator that is not named here asks for elements of one type
//! that broadcast together. A wish may be wrong: the type rule of the operator decides.

use super::content::Content;
use super::draw::Draw;
use super::want::Want;
use qcc_ops::{Attrs, Op};
use qcc_tensor::{DType, Tensor, TensorType};

/// A call that is being built.
pub(crate) struct Partial<'a> {
    /// The operator.
    pub(crate) op: Op,
    /// Types of the arguments so far; `None` for absent ones.
    pub(crate) types: Vec<Option<TensorType>>,
    /// Values of constant arguments so far.
    pub(crate) values: Vec<Option<Tensor>>,
    /// Attributes that are known; before the first argument these are the ones that the pattern or a guard gives.
    pub(crate) attrs: Attrs,
    /// What is wanted of the call.
    pub(crate) out: &'a Want,
    /// The output that is wanted.
    pub(crate) output: u32,
    /// Place of the call among the decisions.
    pub(crate) place: u64,
}

/// Decisions about attributes are made at parts of a call from this one on; its arguments are the parts below.
pub(crate) const ATTRIBUTES: usize = 1000;

const FLOATS: [DType; 5] = [DType::F32, DType::F64, DType::F32, DType::F64, DType::F16];
const WIDE_FLOATS: [DType; 2] = [DType::F32, DType::F64];
const BYTES: [DType; 2] = [DType::U8, DType::I8];
const CODES: [DType; 8] = [DType::U8, DType::I8, DType::I32, DType::U8, DType::I8, DType::I32, DType::I16, DType::U16];
const NUMBERS: [DType; 9] =
    [DType::F32, DType::F64, DType::F32, DType::I32, DType::F64, DType::U8, DType::I8, DType::I64, DType::F16];

impl Partial<'_> {
    /// Type of an argument that was built before.
    pub(crate) fn ty(&self, i: usize) -> Option<&TensorType> {
        self.types.get(i).and_then(Option::as_ref)
    }

    fn first(&self) -> TensorType {
        self.ty(0).cloned().unwrap_or_else(|| TensorType::new(DType::F32, []))
    }

    fn channels_last(&self) -> bool {
        self.attrs.str("layout") == Some("NHWC")
    }
}

/// What the argument at a position should be.
pub(crate) fn argument(call: &Partial<'_>, i: usize, draw: &mut Draw<'_>) -> Want {
    let (x, out) = (call.first(), call.out);
    let floats = |ranks| Want { dtypes: among(&WIDE_FLOATS, out), ranks, ..Want::default() };
    let axes = |draw: &mut Draw<'_>, rank: usize| Want::list(some_axes(draw, rank));
    match (call.op.name, i) {
        ("Conv" | "ConvTranspose", 0) => Want { shape: same_rank(out, 3), ..floats((3, 5)) },
        ("IConv" | "ConvInteger", 0) => Want { dtypes: BYTES.to_vec(), ranks: (3, 5), ..Want::default() },
        ("Conv", 1) => weights(call, &x, vec![x.dtype], draw),
        ("IConv" | "ConvInteger", 1) => weights(call, &x, BYTES.to_vec(), draw),
        ("ConvTranspose", 1) => transposed_weights(call, &x, draw),
        ("Conv", 2) => Want::exactly(x.dtype, [outputs(call)]),
        ("ConvTranspose", 2) => {
            let filters = call.ty(1).and_then(|t| t.shape.get(1)).copied().unwrap_or(1);
            Want::exactly(x.dtype, [filters * groups(call)])
        }
        ("IConv" | "ConvInteger" | "IMatMul" | "MatMulInteger", 2) | ("ISumPool" | "IReduceSum", 1) => {
            one(draw, x.dtype)
        }
        ("IConv" | "ConvInteger", 3) => per_output(draw, call.ty(1), outputs(call)),
        ("IMatMul" | "MatMulInteger", 3) => per_output(draw, call.ty(1), columns(call)),
        ("IConv", 4) => Want::exactly(DType::I32, [outputs(call)]),
        ("IMatMul", 4) => Want::exactly(DType::I32, [columns(call)]),
        ("MatMul", 0) => {
            Want { dtypes: among(&NUMBERS, out), shape: None, ranks: ranks_of(out, 1, 3), ..Want::default() }
        }
        ("IMatMul" | "MatMulInteger", 0) => {
            Want { dtypes: BYTES.to_vec(), ranks: ranks_of(out, 1, 3), ..Want::default() }
        }
        ("MatMul", 1) => Want { dtypes: vec![x.dtype], shape: Some(right(&x, draw)), ..Want::default() },
        ("IMatMul" | "MatMulInteger", 1) => {
            Want { dtypes: BYTES.to_vec(), shape: Some(right(&x, draw)), ..Want::default() }
        }
        ("CodedMatMul", 0) => Want { dtypes: vec![DType::F32], ranks: ranks_of(out, 1, 3), ..Want::default() },
        ("CodedMatMul", 1) => {
            let shape = vec![x.shape.last().copied().unwrap_or(1), columns_drawn(draw)];
            Want { dtypes: BYTES.to_vec(), shape: Some(shape), ..Want::default() }
        }
        ("CodedMatMul", 2) => scale(call, &call.ty(1).cloned().unwrap_or(x), draw),
        ("CodedMatMul", 3) => zero_point(call, &call.ty(1).cloned().unwrap_or(x), draw),
        ("Gemm", 0) => floats((2, 2)),
        ("Gemm", 1) => gemm_right(call, &x, draw),
        ("Gemm", 2) => {
            let rows = x.shape.get(usize::from(call.attrs.int("transA") == Some(1))).copied().unwrap_or(1);
            let at = usize::from(call.attrs.int("transB") != Some(1));
            let columns = call.ty(1).and_then(|t| t.shape.get(at)).copied().unwrap_or(1);
            let shapes = [vec![columns], vec![rows, columns], vec![], vec![1, columns], vec![rows, 1], vec![1]];
            Want::exactly(x.dtype, draw.one_of("addend", &shapes))
        }
        ("BatchNormalization" | "InstanceNormalization", 0) => {
            Want { shape: out.shape.clone().filter(|s| s.len() >= 2), ..floats((2, 4)) }
        }
        ("BatchNormalization" | "InstanceNormalization", _) => {
            let want = Want::exactly(x.dtype, [x.shape.get(1).copied().unwrap_or(1)]);
            if i == 4 { want.with(Content::Positive) } else { want }
        }
        ("Resize", 2) => {
            let scales = (0..x.rank()).map(|i| draw.one_of(&format!("scale {i}"), &[1.0, 2.0, 3.0, 0.5])).collect();
            Want::exactly(DType::F32, [x.rank()]).with(Content::List(scales))
        }
        ("MaxPool", 0) => Want {
            dtypes: among(&[DType::F32, DType::U8, DType::I8, DType::F64], out),
            ranks: (3, 5),
            ..Want::default()
        },
        ("AveragePool" | "GlobalAveragePool" | "GlobalMaxPool", 0) => floats((3, 5)),
        ("ISumPool", 0) => Want { dtypes: BYTES.to_vec(), ranks: (3, 5), ..Want::default() },
        ("IReduceSum", 0) => Want { dtypes: BYTES.to_vec(), ranks: (1, 4), ..Want::default() },
        ("Softmax" | "LogSoftmax" | "Hardmax", 0) => Want { shape: same_rank(out, 1), ..floats((1, 4)) },
        ("Dropout", 0) => Want { dtypes: among(&FLOATS, out), shape: out.shape.clone(), ..Want::default() },
        ("Dropout", 1) => Want::exactly(DType::F32, []).with(Content::Positive),
        ("Dropout", 2) => Want::exactly(DType::Bool, []),
        ("LSTM", _) => recurrent(call, &x, i, draw),
        ("Split", 0) => Want { dtypes: out.dtypes.clone(), ranks: ranks_of(out, 1, 4), ..Want::default() },
        ("Split", 1) => Want::list(parts(call, &x, draw)),
        ("Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Slice" | "Gather" | "Expand" | "Tile" | "Pad", 0) => {
            moved(call, draw)
        }
        ("Identity" | "Cast", 0) => {
            let dtypes = if call.op.name == "Cast" { Vec::new() } else { out.dtypes.clone() };
            Want { dtypes, shape: out.shape.clone(), ranks: out.ranks, ..Want::default() }
        }
        ("Transpose", 0) => {
            let fixed = call.attrs.ints("perm").map(<[i64]>::len);
            let ranks = fixed.map_or_else(|| ranks_of(out, 2, 4), |n| (n, n));
            // The result has the wanted shape if the argument has its axes in the order they come from.
            let shape = out.shape.as_ref().map(|s| {
                let perm = call.attrs.ints("perm").map_or_else(|| order(call, s.len(), draw), <[i64]>::to_vec);
                let mut source = s.clone();
                for (size, &p) in s.iter().zip(&perm) {
                    if let Some(slot) = source.get_mut(p as usize) {
                        *slot = *size;
                    }
                }
                source
            });
            Want { dtypes: out.dtypes.clone(), shape, ranks, ..Want::default() }
        }
        ("Reshape", 1) => Want::list(target(&x, out, draw)),
        ("Expand", 1) => Want::list(expanded(&x, out, draw)),
        ("Tile", 1) => {
            let list: Vec<i64> = (0..x.rank()).map(|i| [1, 1, 2, 3, 0][draw.pick(&format!("times {i}"), 5)]).collect();
            Want::list(if draw.rarely("once", 4) { vec![1; x.rank()] } else { list })
        }
        ("Squeeze", 1) => {
            let ones: Vec<i64> = (0..x.rank()).filter(|&i| x.shape[i] == 1).map(|i| i as i64).collect();
            let kept: Vec<i64> = ones.iter().copied().filter(|i| draw.pick(&format!("keep {i}"), 3) < 2).collect();
            Want::list(from_the_end(draw, &kept, x.rank()))
        }
        ("Unsqueeze", 1) => {
            let count = 1 + draw.pick("count", 2);
            let rank = x.rank() + count;
            let mut list: Vec<i64> = (0..count).map(|i| draw.pick(&format!("axis {i}"), rank) as i64).collect();
            list.dedup();
            Want::list(from_the_end(draw, &list, rank))
        }
        ("Slice", 1..) => slice(&x, i, draw),
        ("Gather", 1) => {
            let at = call.attrs.int("axis").unwrap_or(0);
            let at = if at < 0 { at + x.rank() as i64 } else { at } as usize;
            let size = x.shape.get(at).copied().unwrap_or(1);
            let shape = draw.one_of("indices", &[vec![2], vec![], vec![1], vec![2, 2], vec![3]]);
            Want { dtypes: vec![DType::I64, DType::I32], ..Want::exactly(DType::I64, shape) }.with(Content::Index(size))
        }
        ("Pad", 1) => Want::list(pads(&x, draw)),
        ("Pad", 2) => {
            let zero = draw.pick("padding value", 2) == 0;
            let want = one_number(draw, x.dtype);
            if zero { want.with(Content::List(vec![0.0])) } else { want }
        }
        // The amounts are given first; axes name as many as they are for.
        ("Pad", 3) => Want::list((0..call.ty(1).map_or(0, |t| t.elements() / 2) as i64).collect()),
        ("Concat", 0) => Want { dtypes: out.dtypes.clone(), ranks: ranks_of(out, 1, 4), ..Want::default() },
        ("Concat", _) => {
            let at = call.attrs.int("axis").unwrap_or(0);
            let at = if at < 0 { at + x.rank() as i64 } else { at } as usize;
            let mut shape = x.shape.to_vec();
            if let Some(size) = shape.get_mut(at) {
                *size = draw.one_of("joined", &[1, 2, *size, 3]);
            }
            Want::exactly(x.dtype, shape)
        }
        ("Clip", 0) => Want { dtypes: among(&NUMBERS, out), shape: out.shape.clone(), ..Want::default() },
        ("Clip", _) => one_number(draw, x.dtype),
        ("QuantizeLinear", 0) => {
            Want { dtypes: FLOATS.to_vec(), shape: out.shape.clone(), ranks: ranks_of(out, 0, 4), ..Want::default() }
        }
        ("DequantizeLinear", 0) => {
            Want { dtypes: CODES.to_vec(), shape: out.shape.clone(), ranks: ranks_of(out, 0, 4), ..Want::default() }
        }
        ("Requantize", 0) => Want {
            dtypes: vec![DType::I32, DType::F32],
            shape: out.shape.clone(),
            ranks: ranks_of(out, 0, 4),
            ..Want::default()
        },
        ("QuantizeLinear" | "DequantizeLinear" | "Requantize", 1) => scale(call, &x, draw),
        ("QuantizeLinear" | "DequantizeLinear" | "Requantize", 2) => zero_point(call, &x, draw),
        ("Lookup", 0) => Want { dtypes: BYTES.to_vec(), shape: out.shape.clone(), ..Want::default() },
        ("Lookup", 1) => {
            let dtypes = if out.dtypes.is_empty() {
                vec![DType::F32, DType::U8, DType::I8, DType::F64]
            } else {
                out.dtypes.clone()
            };
            Want { dtypes, shape: Some(vec![256]), ..Want::default() }
        }
        ("Flip", 0) => {
            let dtypes = match out.dtypes[..] {
                [DType::U8] => vec![DType::I8],
                [DType::I8] => vec![DType::U8],
                _ => BYTES.to_vec(),
            };
            Want { dtypes, shape: out.shape.clone(), ..Want::default() }
        }
        (name, 0) if name.starts_with("Reduce") => floats((1, 4)),
        (name, 1) if name.starts_with("Reduce") => axes(draw, x.rank()),
        (_, 0) => Want {
            dtypes: numbers(call.op, out),
            shape: operand(out, call.op, draw),
            ranks: out.ranks,
            ..Want::default()
        },
        _ => Want::exactly(x.dtype, partner(&x.shape, out.shape.as_deref(), draw)),
    }
}

/// The element types that an operator can have and its user wants.
fn among(own: &[DType], out: &Want) -> Vec<DType> {
    let both: Vec<DType> = own.iter().copied().filter(|d| out.dtypes.is_empty() || out.dtypes.contains(d)).collect();
    if both.is_empty() { own.to_vec() } else { both }
}

fn numbers(op: Op, out: &Want) -> Vec<DType> {
    match op.name {
        "And" | "Or" | "Xor" | "Not" => vec![DType::Bool],
        "Equal" | "Less" | "Greater" | "LessOrEqual" | "GreaterOrEqual" => NUMBERS.to_vec(),
        "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Neg" | "Abs" | "Relu" | "Sign" | "Pow" | "Mod" | "Shape" => {
            if op.name == "Shape" {
                Vec::new()
            } else {
                among(&NUMBERS, out)
            }
        }
        _ => among(&FLOATS, out),
    }
}

fn ranks_of(out: &Want, least: usize, most: usize) -> (usize, usize) {
    match &out.shape {
        Some(shape) => (shape.len().max(least), shape.len().max(least)),
        None => (out.ranks.0.max(least), out.ranks.1.min(most).max(out.ranks.0.max(least))),
    }
}

/// The wanted shape where its rank suits the operator, for operators that keep shapes.
fn same_rank(out: &Want, least: usize) -> Option<Vec<usize>> {
    out.shape.clone().filter(|s| s.len() >= least)
}

/// A shape that broadcasts to what is wanted of a function of several operands.
fn operand(out: &Want, op: Op, draw: &mut Draw<'_>) -> Option<Vec<usize>> {
    let shape = out.shape.clone()?;
    if op.inputs.len() < 2 || !draw.rarely("broadcast", 5) {
        return Some(shape);
    }
    let mut small = shape;
    for (i, size) in small.iter_mut().enumerate() {
        if draw.pick(&format!("one {i}"), 2) == 1 {
            *size = 1;
        }
    }
    Some(small)
}

/// A shape that broadcasts with `x`, to `out` if that is given.
fn partner(x: &[usize], out: Option<&[usize]>, draw: &mut Draw<'_>) -> Vec<usize> {
    let base = out.unwrap_or(x).to_vec();
    let needed = |i: usize| {
        let own = (i + x.len()).checked_sub(base.len()).map(|at| x[at]);
        out.is_some() && own.unwrap_or(1) != base[i]
    };
    let mut shape = base.clone();
    match draw.pick("partner", 8) {
        0 | 1 => {}
        2 if (0..base.len()).all(|i| !needed(i)) => return Vec::new(),
        3 if (0..base.len()).all(|i| !needed(i)) => return vec![1],
        // One value per channel, along one axis.
        4 | 5 => {
            let axis = draw.pick("along", base.len().max(1));
            for (i, size) in shape.iter_mut().enumerate() {
                if i != axis && !needed(i) {
                    *size = 1;
                }
            }
        }
        6 if out.is_none() && base.len() < 4 => {
            let more = draw.one_of("in front", &[1, 2]);
            shape.insert(0, more);
        }
        _ => {
            for (i, size) in shape.iter_mut().enumerate() {
                if draw.pick(&format!("one {i}"), 2) == 1 && !needed(i) {
                    *size = 1;
                }
            }
            // An axis of one on the left may be wider on the right.
            if out.is_none() {
                for (i, size) in shape.iter_mut().enumerate() {
                    if x[i] == 1 {
                        *size = draw.one_of(&format!("wide {i}"), &[1, 2, 3]);
                    }
                }
            }
        }
    }
    if draw.rarely("fewer axes", 3) {
        while shape.first() == Some(&1) {
            shape.remove(0);
        }
    }
    shape
}

fn outputs(call: &Partial<'_>) -> usize {
    call.ty(1).and_then(|t| t.shape.first()).copied().unwrap_or(1)
}

fn columns(call: &Partial<'_>) -> usize {
    call.ty(1).map_or(1, |t| if t.rank() < 2 { 1 } else { t.shape[t.rank() - 1] })
}

/// A layer of up to three units, in one or two directions.
fn recurrent(call: &Partial<'_>, x: &TensorType, i: usize, draw: &mut Draw<'_>) -> Want {
    let size = |i: usize, axis: usize| call.ty(i).and_then(|t| t.shape.get(axis)).copied().unwrap_or(1);
    let (directions, hidden) = (size(1, 0), size(1, 1) / 4);
    let batch = size(0, usize::from(call.attrs.int("layout") != Some(1)));
    let shape = match i {
        0 => return Want { dtypes: WIDE_FLOATS.to_vec(), ranks: (3, 3), ..Want::default() },
        1 => vec![
            1 + usize::from(call.attrs.str("direction") == Some("bidirectional")),
            4 * draw.one_of("units", &[1, 2, 3]),
            size(0, 2),
        ],
        2 => vec![directions, 4 * hidden, hidden],
        3 => vec![directions, 8 * hidden],
        4 => return Want::exactly(DType::I32, [batch]).with(Content::Index(size(0, 0).max(1))),
        7 => vec![directions, 3 * hidden],
        _ => vec![directions, batch, hidden],
    };
    Want::exactly(x.dtype, shape)
}

fn weights(call: &Partial<'_>, x: &TensorType, dtypes: Vec<DType>, draw: &mut Draw<'_>) -> Want {
    let rank = x.rank().max(3);
    let channels = x.shape.get(if call.channels_last() { rank - 1 } else { 1 }).copied().unwrap_or(1);
    let group = groups(call);
    let outputs = match draw.coincidence() {
        Some(size) if draw.pick("as many", 4) > 0 => size.next_multiple_of(group),
        _ => group * draw.one_of("outputs", &[1, 2, 3]),
    };
    let mut shape = vec![outputs, channels / group];
    let point = draw.rarely("1x1", 3) || draw.coincidence().is_some_and(|_| draw.pick("point", 3) > 0);
    for i in 2..rank {
        let size = x.shape.get(if call.channels_last() { i - 1 } else { i }).copied().unwrap_or(1);
        shape.push(if point { 1 } else { draw.one_of(&format!("kernel {i}"), &[1, 2, 3]).min(size.max(1)) });
    }
    Want { dtypes, shape: Some(shape), ..Want::default() }
}

/// Weights of a transposed convolution, whose windows often touch.
fn transposed_weights(call: &Partial<'_>, x: &TensorType, draw: &mut Draw<'_>) -> Want {
    let channels = x.shape.get(1).copied().unwrap_or(1);
    let mut shape = vec![channels, draw.one_of("outputs", &[1, 2, 3])];
    let touching = draw.pick("touching", 3) > 0;
    for axis in 0..x.rank().max(3) - 2 {
        let stride = call.attrs.ints("strides").and_then(|s| s.get(axis)).copied().unwrap_or(1) as usize;
        shape.push(if touching { stride } else { draw.one_of(&format!("kernel {axis}"), &[1, 2, 3]) });
    }
    Want::exactly(x.dtype, shape)
}

fn groups(call: &Partial<'_>) -> usize {
    call.attrs.int("group").unwrap_or(1).max(1) as usize
}

fn one(draw: &mut Draw<'_>, dtype: DType) -> Want {
    Want::exactly(dtype, draw.one_of("one", &[vec![], vec![1]]))
}

fn one_number(draw: &mut Draw<'_>, dtype: DType) -> Want {
    Want::exactly(dtype, draw.one_of("one", &[vec![], vec![], vec![1]]))
}

fn per_output(draw: &mut Draw<'_>, codes: Option<&TensorType>, count: usize) -> Want {
    let dtype = codes.map_or(DType::I8, |t| t.dtype);
    let want = Want::exactly(dtype, draw.one_of("per output", &[vec![], vec![count], vec![1], vec![count]]));
    if draw.rarely("asymmetric", 2) { want } else { want.with(Content::List(vec![0.0])) }
}

/// The number of columns of a matrix.
fn columns_drawn(draw: &mut Draw<'_>) -> usize {
    draw.coincidence().unwrap_or_else(|| draw.one_of("columns", &[2, 1, 3, 4]))
}

fn right(x: &TensorType, draw: &mut Draw<'_>) -> Vec<usize> {
    let inner = x.shape.last().copied().unwrap_or(1);
    let columns = columns_drawn(draw);
    match draw.pick("right", 6) {
        0..=2 => vec![inner, columns],
        3 => vec![inner],
        4 if x.rank() > 2 => {
            let mut shape = x.shape[..x.rank() - 2].to_vec();
            shape.extend([inner, columns]);
            shape
        }
        _ => vec![draw.one_of("batch", &[1, 2]), inner, columns],
    }
}

fn gemm_right(call: &Partial<'_>, x: &TensorType, draw: &mut Draw<'_>) -> Want {
    let at = usize::from(call.attrs.int("transA") != Some(1));
    let inner = x.shape.get(at).copied().unwrap_or(1);
    let columns = columns_drawn(draw);
    let shape = if call.attrs.int("transB") == Some(1) { [columns, inner] } else { [inner, columns] };
    Want::exactly(x.dtype, shape)
}

fn moved(call: &Partial<'_>, draw: &mut Draw<'_>) -> Want {
    let out = call.out;
    let least = match call.op.name {
        "Gather" | "Slice" | "Pad" => 1,
        _ => 0,
    };
    let same = match (&out.shape, call.op.name) {
        // Where the result's shape is given, the argument has it too, or as many elements.
        (Some(s), "Reshape") => Some(if draw.rarely("flat", 3) { vec![s.iter().product()] } else { s.clone() }),
        (Some(s), _) if s.len() >= least => Some(s.clone()),
        _ => None,
    };
    // A pad in front of a window op keeps the number of axes.
    let ranks = match call.op.name {
        "Pad" | "Slice" | "Tile" => (out.ranks.0.max(least), out.ranks.1.max(least)),
        _ => (least, 4),
    };
    Want { dtypes: out.dtypes.clone(), shape: same, ranks, ..Want::default() }
}

fn target(x: &TensorType, out: &Want, draw: &mut Draw<'_>) -> Vec<i64> {
    let as_ints = |s: &[usize]| -> Vec<i64> { s.iter().map(|&d| d as i64).collect() };
    if let Some(shape) = &out.shape {
        return as_ints(shape);
    }
    let n: usize = x.elements();
    let mut list = match draw.pick("reshape", 6) {
        0 => as_ints(&x.shape),
        1 => vec![n as i64],
        2 => {
            let first = [2, 3, 4].into_iter().find(|d| n.is_multiple_of(*d)).unwrap_or(1);
            vec![first as i64, (n / first) as i64]
        }
        3 => {
            let mut s = as_ints(&x.shape);
            s.insert(draw.pick("where", s.len() + 1), 1);
            s
        }
        4 => x.shape.iter().rev().map(|&d| d as i64).collect(),
        _ => {
            let split = draw.pick("split", x.rank() + 1);
            vec![x.shape[..split].iter().product::<usize>() as i64, x.shape[split..].iter().product::<usize>() as i64]
        }
    };
    if n > 0 && !list.is_empty() {
        match draw.pick("written", 4) {
            2 => {
                let at = draw.pick("open", list.len());
                list[at] = -1;
            }
            3 => {
                for (i, d) in list.iter_mut().enumerate() {
                    if x.shape.get(i).is_some_and(|&s| s as i64 == *d) {
                        *d = 0;
                    }
                }
            }
            _ => {}
        }
    }
    list
}

fn expanded(x: &TensorType, out: &Want, draw: &mut Draw<'_>) -> Vec<i64> {
    if let Some(shape) = &out.shape {
        return shape.iter().map(|&d| d as i64).collect();
    }
    let mut list: Vec<i64> = x
        .shape
        .iter()
        .enumerate()
        .map(|(i, &d)| if d == 1 { draw.one_of(&format!("wide {i}"), &[1, 2, 3]) } else { d as i64 })
        .collect();
    if draw.rarely("more axes", 3) {
        list.insert(0, 2);
    }
    list
}

fn slice(x: &TensorType, i: usize, draw: &mut Draw<'_>) -> Want {
    // The same decisions are made for each of the four lists, so that they fit together.
    let count = draw.pick("sliced axes", x.rank().max(1) + 1).min(x.rank());
    let shuffled = draw.rarely("last axes", 2);
    let axes: Vec<usize> = (0..count).map(|k| if shuffled { x.rank() - count + k } else { k }).collect();
    let everything = draw.rarely("everything", 3);
    let list = axes.iter().map(|&a| {
        let size = x.shape[a] as i64;
        let backwards = draw.rarely(&format!("backwards {a}"), 5);
        let (start, end) = match (everything, draw.pick(&format!("part {a}"), 5)) {
            (true, _) | (_, 0) => (0, i64::from(i32::MAX)),
            (_, 1) => (1.min(size), size),
            (_, 2) => (0, (size - 1).max(0)),
            (_, 3) => (-size, -1),
            _ => (0, (size / 2).max(1)),
        };
        let step = [1, 1, 2][draw.pick(&format!("step {a}"), 3)];
        match i {
            1 => {
                if backwards {
                    -1
                } else {
                    start
                }
            }
            2 => {
                if backwards {
                    -i64::from(i32::MAX)
                } else {
                    end
                }
            }
            3 => a as i64,
            _ if backwards => -1,
            _ => {
                if everything {
                    1
                } else {
                    step
                }
            }
        }
    });
    let list: Vec<i64> = list.collect();
    Want::list(if i == 3 { from_the_end(draw, &list, x.rank()) } else { list })
}

fn pads(x: &TensorType, draw: &mut Draw<'_>) -> Vec<i64> {
    let rank = x.rank();
    match draw.pick("pads", 6) {
        0 => vec![0; 2 * rank],
        // Around spatial axes, as in front of a convolution; channels first or last.
        style @ 1..=3 => {
            let inside = |i: usize| if style == 3 { i > 0 && i + 1 < rank } else { i > 1 };
            (0..2 * rank)
                .map(|i| if inside(i % rank) { draw.pick(&format!("amount {i}"), 3) as i64 } else { 0 })
                .collect()
        }
        4 => (0..2 * rank).map(|i| draw.pick(&format!("amount {i}"), 3) as i64).collect(),
        _ => (0..2 * rank).map(|i| draw.pick(&format!("amount {i}"), 3) as i64 - 1).collect(),
    }
}

/// Sizes of two parts of an axis, or of as many as the wanted output asks for.
fn parts(call: &Partial<'_>, x: &TensorType, draw: &mut Draw<'_>) -> Vec<i64> {
    let at = call.attrs.int("axis").unwrap_or(0);
    let at = if at < 0 { at + x.rank() as i64 } else { at } as usize;
    let size = x.shape.get(at).copied().unwrap_or(1);
    let wanted = call.out.shape.as_ref().and_then(|s| s.get(at)).copied().filter(|&n| n <= size);
    let part = wanted.unwrap_or_else(|| draw.pick("part", size + 1));
    let (output, count) = (call.output as usize, (call.output as usize + 1).max(2));
    let rest = if output == 0 { 1 } else { 0 };
    (0..count).map(|i| if i == output { part } else if i == rest { size - part } else { 0 } as i64).collect()
}

fn scale(call: &Partial<'_>, x: &TensorType, draw: &mut Draw<'_>) -> Want {
    let dtype = match call.op.name {
        "QuantizeLinear" if x.dtype != DType::F16 || draw.rarely("same type", 2) => x.dtype,
        "QuantizeLinear" => DType::F32,
        "Requantize" | "CodedMatMul" => DType::F32,
        _ => {
            let own = [DType::F32, DType::F64, DType::F32, DType::F16];
            let wanted: Vec<DType> =
                own.into_iter().filter(|d| call.out.dtypes.is_empty() || call.out.dtypes.contains(d)).collect();
            if wanted.is_empty() { DType::F32 } else { draw.one_of("scale", &wanted) }
        }
    };
    let axis = call.attrs.int("axis").unwrap_or(1);
    let axis = if axis < 0 { axis + x.rank() as i64 } else { axis };
    let along = usize::try_from(axis).ok().and_then(|a| x.shape.get(a)).copied();
    if let (Some(block @ 1..), Some(n)) = (call.attrs.int("block_size"), along) {
        let mut shape = x.shape.to_vec();
        shape[axis as usize] = n.div_ceil(block as usize);
        return Want::exactly(dtype, shape).with(Content::Scale);
    }
    let shape = match (draw.pick("scales", 4), along) {
        (2 | 3, Some(n)) => vec![n],
        (1, _) => vec![1],
        _ => vec![],
    };
    Want::exactly(dtype, shape).with(Content::Scale)
}

fn zero_point(call: &Partial<'_>, x: &TensorType, draw: &mut Draw<'_>) -> Want {
    let dtype = match call.op.name {
        "DequantizeLinear" | "CodedMatMul" => x.dtype,
        "Requantize" => call.attrs.dtype("dtype").unwrap_or(DType::U8),
        _ => call.attrs.dtype("output_dtype").unwrap_or(DType::U8),
    };
    let scale = call.types.last().and_then(Option::as_ref).map_or_else(Vec::new, |t| t.shape.to_vec());
    let shape = if call.op.name == "Requantize" || draw.rarely("one zero-point", 4) { vec![] } else { scale };
    let want = Want::exactly(dtype, shape);
    if dtype == DType::I32 || draw.rarely("zero", 3) { want.with(Content::List(vec![0.0])) } else { want }
}

fn some_axes(draw: &mut Draw<'_>, rank: usize) -> Vec<i64> {
    let list: Vec<i64> = (0..rank as i64).filter(|i| draw.pick(&format!("over {i}"), 2) == 0).collect();
    let list = if list.is_empty() && !draw.rarely("none", 4) { vec![rank as i64 - 1] } else { list };
    from_the_end(draw, &list, rank)
}

/// The same axes, counted from the end now and then.
fn from_the_end(draw: &mut Draw<'_>, axes: &[i64], rank: usize) -> Vec<i64> {
    if draw.rarely("from the end", 4) { axes.iter().map(|a| a - rank as i64).collect() } else { axes.to_vec() }
}

/// The order that the attribute will be given.
fn order(call: &Partial<'_>, rank: usize, draw: &mut Draw<'_>) -> Vec<i64> {
    let here = draw.place();
    draw.enter(call.place, ATTRIBUTES);
    let perm = permutation(draw, rank);
    draw.leave(here);
    perm
}

/// An order of axes: the identity, the two orders of layouts, a swap, or any.
pub(crate) fn permutation(draw: &mut Draw<'_>, rank: usize) -> Vec<i64> {
    let n = rank as i64;
    let mut perm: Vec<i64> = (0..n).collect();
    match draw.pick("order", 7) {
        0 => {}
        1 => perm.reverse(),
        2 if rank > 2 => perm = [0].into_iter().chain(2..n).chain([1]).collect(),
        3 if rank > 2 => perm = [0, n - 1].into_iter().chain(1..n - 1).collect(),
        4 if rank > 1 => perm.swap(rank - 1, rank - 2),
        _ => {
            for i in (1..rank).rev() {
                let j = draw.pick(&format!("swap {i}"), i + 1);
                perm.swap(i, j);
            }
        }
    }
    perm
}
