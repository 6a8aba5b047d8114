//! Borders: the padding of a window op is read from around its input, where it was written before.

use crate::kernels::layout::{Halo, TensorLayout};
use qcc_ir::{Node, TypedGraph, ValueId};
use qcc_kernel::Width;
use qcc_kernel::program::{self, BufferId};
use qcc_ops::{Attrs, Op};
use qcc_tensor::Tensor;
use rustc_hash::FxHashMap;

/// A border of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Border {
    /// How wide.
    pub halo: Halo,
    /// The byte it is filled with.
    pub fill: u8,
}

/// The border that the first input of a window op needs; `None` if it pads nothing. Float convolutions are computed in
/// tiles where registers are wide; elsewhere their windows are gathered, unless they are depthwise.
///
/// # Errors
/// Why the padding cannot be a border.
pub fn border_of(op: Op, attrs: &Attrs, zero: Option<&Tensor>, width: Width) -> Result<Option<Border>, String> {
    let float = op.name == "Conv" && (width == Width::V256 || attrs.int("group").is_some_and(|g| g > 1));
    let windowed = float || matches!(op.name, "IConv" | "IWinograd" | "ISumPool");
    let pads = attrs.ints("pads").unwrap_or(&[]);
    if !windowed || pads.iter().all(|&p| p == 0) {
        return Ok(None);
    }
    let &[top, left, bottom, right] = pads else { return Err("windows over other than two axes".into()) };
    if attrs.str("layout") != Some("NHWC") || pads.iter().any(|&p| p < 0) {
        return Err("padding of another layout".into());
    }
    let fill = zero.map_or(0, |z| z.bytes()[0]);
    let halo = Halo { top: top as usize, left: left as usize, bottom: bottom as usize, right: right as usize };
    Ok(Some(Border { halo, fill }))
}

/// The borders that consumers of each value want: the widest, of the consumers that agree with the first on its contents.
pub fn wanted(graph: &TypedGraph, width: Width) -> FxHashMap<ValueId, Border> {
    let mut all: FxHashMap<ValueId, Border> = FxHashMap::default();
    let g = graph.graph();
    for id in g.node_ids() {
        let (op, attrs, inputs) = match g.node(id) {
            Node::Op(n) => (n.op, &n.attrs, &n.inputs),
            Node::Fused(n) => match &n.core {
                Some(core) => (core.op, &core.attrs, &n.inputs),
                None => continue,
            },
            _ => continue,
        };
        let Some(value) = inputs.first().copied().flatten() else { continue };
        let Ok(Some(border)) = border_of(op, attrs, zero_point(graph, op, inputs), width) else {
            continue;
        };
        let known = all.entry(value).or_insert(border);
        if known.fill == border.fill {
            let (a, b) = (known.halo, border.halo);
            known.halo = Halo {
                top: a.top.max(b.top),
                left: a.left.max(b.left),
                bottom: a.bottom.max(b.bottom),
                right: a.right.max(b.right),
            };
        }
    }
    all
}

/// The constant zero-point of an integer core's input.
pub fn zero_point<'g>(graph: &'g TypedGraph, op: Op, inputs: &[Option<ValueId>]) -> Option<&'g Tensor> {
    let at = match op.name {
        "IConv" | "IWinograd" | "IMatMul" => 2,
        "ISumPool" | "IReduceSum" => 1,
        _ => return None,
    };
    match graph.graph().node(inputs.get(at).copied().flatten()?.node) {
        Node::Const(t) => Some(t),
        _ => None,
    }
}

/// Whether `layout` has at least this border.
pub fn covers(layout: &TensorLayout, halo: Halo) -> bool {
    let have = layout.halo;
    have.top >= halo.top && have.left >= halo.left && have.bottom >= halo.bottom && have.right >= halo.right
}

/// The action that fills a border.
pub fn fill(layout: &TensorLayout, buffer: BufferId, value: u8) -> program::Halo {
    let (row, pixel) = (layout.row_stride(), layout.pixel_stride());
    let halo = layout.halo;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut add = |start: usize, end: usize| match ranges.last_mut() {
        Some(last) if last.1 == start => last.1 = end,
        _ if start < end => ranges.push((start, end)),
        _ => {}
    };
    for n in 0..layout.n {
        let image = n * layout.image_stride();
        add(image, image + halo.top * row);
        for y in 0..layout.h {
            let start = image + (halo.top + y) * row;
            add(start, start + halo.left * pixel);
            add(start + (halo.left + layout.w) * pixel, start + row);
        }
        add(image + (halo.top + layout.h) * row, image + layout.image_stride());
    }
    program::Halo { buffer, value, ranges }
}
