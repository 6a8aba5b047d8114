//! What attributes of operators may be.

use super::arguments::{ATTRIBUTES, Partial, permutation};
use super::draw::Draw;
use qcc_ops::{AttrDef, AttrKind, AttrValue, Default};
use qcc_tensor::DType;

/// Order in which attributes are decided: others depend on the layout, and lists follow numbers.
pub(crate) fn in_order(defs: &'static [AttrDef]) -> Vec<&'static AttrDef> {
    let mut defs: Vec<&AttrDef> = defs.iter().collect();
    defs.sort_by_key(|d| match (d.name, d.kind) {
        ("layout", _) => 0,
        (_, AttrKind::Ints) => 2,
        _ => 1,
    });
    defs
}

/// A value for an attribute of a call whose first argument is known; `None` leaves it out.
pub(crate) fn attribute(def: &AttrDef, call: &Partial<'_>, draw: &mut Draw<'_>) -> Option<AttrValue> {
    let place = draw.place();
    let index = call.op.attrs.iter().position(|d| d.name == def.name).unwrap_or(0);
    draw.enter(place, ATTRIBUTES + index);
    let value = decide(def, call, draw);
    draw.leave(place);
    value
}

fn decide(def: &AttrDef, call: &Partial<'_>, draw: &mut Draw<'_>) -> Option<AttrValue> {
    let rank = call.ty(0).map_or(2, qcc_tensor::TensorType::rank);
    let last = call.attrs.str("layout") == Some("NHWC");
    let spatial = rank.saturating_sub(2);
    let int = |v: i64| Some(AttrValue::Int(v));
    let text = |v: &str| Some(AttrValue::Str(v.into()));
    match (call.op.name, def.name) {
        (name, "layout") if name != "LSTM" => text(draw.one_of("layout", &["NCHW", "NHWC"])),
        (_, "auto_pad") => {
            let auto = draw.one_of("auto", &["", "", "", "", "VALID", "SAME_UPPER", "SAME_LOWER"]);
            if auto.is_empty() { None } else { text(auto) }
        }
        (_, "group") => {
            let channels = call
                .ty(0)
                .and_then(|t| t.shape.get(if last { rank.saturating_sub(1) } else { 1 }))
                .copied()
                .unwrap_or(1)
                .max(1);
            let fits: Vec<i64> = (1..=channels as i64).filter(|g| channels as i64 % g == 0).collect();
            let chosen = if draw.rarely("grouped", 3) { draw.one_of("group", &fits) } else { 1 };
            int(chosen)
        }
        ("Conv" | "IConv" | "ConvTranspose" | "ConvInteger", "kernel_shape") => None,
        (_, "kernel_shape") => {
            let size =
                |i: usize| call.ty(0).and_then(|t| t.shape.get(if last { i + 1 } else { i + 2 })).copied().unwrap_or(1);
            let ints =
                (0..spatial).map(|i| [2, 1, 3][draw.pick(&format!("k{i}"), 3)].min(size(i).max(1) as i64)).collect();
            Some(AttrValue::Ints(ints))
        }
        (_, "strides") => optional(draw, 2).then(|| list(draw, spatial, &[1, 2, 3])),
        (_, "dilations") => optional(draw, 4).then(|| list(draw, spatial, &[1, 2])),
        (_, "pads") => optional(draw, 2).then(|| list(draw, 2 * spatial, &[0, 1, 2])),
        ("Transpose", "perm") => Some(AttrValue::Ints(permutation(draw, rank))),
        ("QuantizeLinear", "output_dtype") => Some(AttrValue::Type(code(call, draw))),
        ("Requantize", "dtype") => Some(AttrValue::Type(code(call, draw))),
        ("DequantizeLinear", "output_dtype") => {
            let wanted = call.out.dtypes.iter().copied().filter(|d| d.is_float());
            let others: Vec<DType> = wanted.chain([DType::F32, DType::F64]).collect();
            draw.rarely("other type", 6).then(|| AttrValue::Type(draw.one_of("to", &others)))
        }
        ("Codes", "dtype") => Some(AttrValue::Type(draw.one_of("codes", &[DType::U8, DType::I8]))),
        ("Cast", "to") => {
            let own = call.ty(0).map_or(DType::F32, |t| t.dtype);
            let others =
                [own, DType::F32, DType::F64, DType::I32, DType::U8, DType::I8, DType::Bool, DType::F16, DType::I64];
            let wanted: Vec<DType> = if call.out.dtypes.is_empty() { others.to_vec() } else { call.out.dtypes.clone() };
            Some(AttrValue::Type(draw.one_of("to", &wanted)))
        }
        ("LSTM", "layout") => int(draw.pick("batch first", 2) as i64),
        ("LSTM", "direction") => text(draw.one_of("direction", &["forward", "reverse", "bidirectional"])),
        ("Pad", "mode") => text(draw.one_of("mode", &["constant", "constant", "edge", "reflect", "wrap"])),
        ("Gelu", "approximate") => text(draw.one_of("approximate", &["none", "tanh"])),
        ("DequantizeLinear" | "CodedMatMul", "block_size") if draw.rarely("blocks", 6) => {
            int(draw.one_of("block", &[2, 1, 3, 16]))
        }
        ("BatchNormalization", "training_mode") | (_, "block_size" | "precision") => int(0),
        ("Flatten", "axis") => int(draw.pick("axis", 2 * rank + 1) as i64 - rank as i64),
        (_, "axis") => {
            let n = rank.max(1);
            let at = draw.pick("axis", 2 * n) as i64;
            int(if at >= n as i64 { at - 2 * n as i64 } else { at })
        }
        ("IReduceSum", "axes") => {
            Some(AttrValue::Ints((0..rank as i64).filter(|i| draw.pick(&format!("over {i}"), 2) == 0).collect()))
        }
        (_, "keepdims") => int(1 - draw.pick("keep", 2) as i64),
        ("Shape", "start" | "end") => {
            draw.rarely("given", 2).then(|| AttrValue::Int(draw.pick("at", 2 * rank + 2) as i64 - rank as i64))
        }
        (_, "epsilon") => Some(AttrValue::Float(draw.one_of("epsilon", &[1e-5, 1e-3, 0.1, 0.5]))),
        _ => by_kind(def, draw),
    }
}

fn by_kind(def: &AttrDef, draw: &mut Draw<'_>) -> Option<AttrValue> {
    match (def.kind, def.default) {
        (AttrKind::Int, Default::Int(d)) => Some(AttrValue::Int(draw.one_of("int", &[d, 0, 1, d]))),
        (AttrKind::Float, Default::Float(d)) => {
            Some(AttrValue::Float(draw.one_of("float", &[d, 0.5, 2.0, -1.0, 0.25, 1.0, 0.0])))
        }
        (AttrKind::Int, Default::Absent) => draw.rarely("given", 2).then(|| AttrValue::Int(draw.pick("int", 3) as i64)),
        (AttrKind::Int, Default::Required) => Some(AttrValue::Int(draw.pick("int", 3) as i64)),
        _ => None,
    }
}

/// Whether an attribute is written out, `n` times in a row being left out once.
fn optional(draw: &mut Draw<'_>, n: usize) -> bool {
    draw.rarely("given", n)
}

fn list(draw: &mut Draw<'_>, n: usize, items: &[i64]) -> AttrValue {
    AttrValue::Ints((0..n).map(|i| draw.one_of(&format!("item {i}"), items)).collect())
}

fn code(call: &Partial<'_>, draw: &mut Draw<'_>) -> DType {
    let own = [DType::U8, DType::I8, DType::U8, DType::I8, DType::I16, DType::U16];
    let wanted: Vec<DType> =
        own.into_iter().filter(|d| call.out.dtypes.is_empty() || call.out.dtypes.contains(d)).collect();
    if wanted.is_empty() { DType::U8 } else { draw.one_of("code", &wanted) }
}
