//! `NonMaxSuppression`.

use crate::{AttrDef, AttrKind, Default, EvalArgs, InferArgs, OpDef, OpError, Param, def::no_macs};
use qcc_tensor::{DType, Tensor, TensorType};

/// For every class the boxes of highest score of which none overlaps a better one by more than a threshold: rows of batch,
/// class and box. Overlap is intersection over union.
pub static OP: OpDef = OpDef {
    name: "NonMaxSuppression",
    domain: "",
    doc: "The best boxes of every class that overlap no better one.",
    inputs: &[
        Param::one("boxes"),
        Param::one("scores"),
        Param::optional("max_output_boxes_per_class"),
        Param::optional("iou_threshold"),
        Param::optional("score_threshold"),
    ],
    outputs: &[Param::one("selected_indices")],
    attrs: &[AttrDef::new("center_point_box", AttrKind::Int, Default::Int(0))],
    elementwise: false,
    infer,
    eval,
    macs: no_macs,
};

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let (boxes, scores) = (a.ty(0)?, a.ty(1)?);
    let fits = boxes.rank() == 3
        && scores.rank() == 3
        && boxes.shape[0] == scores.shape[0]
        && boxes.shape[1] == scores.shape[2]
        && boxes.shape[2] == 4
        && boxes.dtype.is_float()
        && scores.dtype.is_float();
    if !fits {
        return Err(OpError::invalid(format!("boxes {boxes} and scores {scores} do not fit")));
    }
    for i in 2..5 {
        if a.opt_ty(i).is_some_and(|t| t.elements() > 1) {
            return Err(OpError::invalid("limits and thresholds must be one number"));
        }
    }
    let known = |i: usize| a.inputs.get(i).copied().flatten().is_none_or(|x| x.value.is_some());
    if !(0..5).all(known) {
        return Err(OpError::dynamic("how many boxes are selected depends on the data"));
    }
    let values: Vec<Option<&Tensor>> = (0..5).map(|i| a.value(i)).collect();
    let selected = select(&values, a.attrs.int("center_point_box") == Some(1))?;
    Ok(vec![TensorType::new(DType::I64, [selected.len() / 3, 3])])
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let values: Vec<Option<&Tensor>> = (0..5).map(|i| a.opt(i)).collect();
    let selected = select(&values, a.attrs.int("center_point_box") == Some(1))?;
    Ok(vec![Tensor::new([selected.len() / 3, 3], selected)])
}

/// Corners `[y1, x1, y2, x2]` in ascending order, from a row of the input.
fn corners(row: &[f64], centres: bool) -> [f64; 4] {
    match *row {
        [x, y, w, h] if centres => [y - h / 2.0, x - w / 2.0, y + h / 2.0, x + w / 2.0],
        [y1, x1, y2, x2] => [y1.min(y2), x1.min(x2), y1.max(y2), x1.max(x2)],
        _ => [0.0; 4],
    }
}

fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let side = |i: usize| (a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0);
    let area = |x: &[f64; 4]| (x[2] - x[0]) * (x[3] - x[1]);
    let common = side(0) * side(1);
    let union = area(a) + area(b) - common;
    if common <= 0.0 || area(a) <= 0.0 || area(b) <= 0.0 || union <= 0.0 { 0.0 } else { common / union }
}

fn select(values: &[Option<&Tensor>], centres: bool) -> Result<Vec<i64>, OpError> {
    let input = |i: usize| values[i].ok_or_else(|| OpError::invalid(format!("input {i} is missing")));
    let (boxes, scores) = (input(0)?, input(1)?);
    let number = |i: usize| values[i].and_then(|t| t.to_f64_vec().first().copied());
    let limit = number(2).unwrap_or(0.0).max(0.0) as usize;
    let (most, least) = (number(3).unwrap_or(0.0), number(4));
    let (batches, classes, count) = (scores.shape()[0], scores.shape()[1], scores.shape()[2]);
    let (rows, scores) = (boxes.to_f64_vec(), scores.to_f64_vec());
    let mut out = Vec::new();
    for batch in 0..batches {
        let corners: Vec<[f64; 4]> =
            (0..count).map(|i| corners(&rows[(batch * count + i) * 4..][..4], centres)).collect();
        for class in 0..classes {
            let scores = &scores[(batch * classes + class) * count..][..count];
            let mut order: Vec<usize> = (0..count).filter(|&i| least.is_none_or(|t| scores[i] > t)).collect();
            order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
            let mut kept: Vec<usize> = Vec::new();
            for i in order {
                if kept.len() >= limit {
                    break;
                }
                if kept.iter().all(|&k| overlap(&corners[i], &corners[k]) <= most) {
                    kept.push(i);
                    out.extend([batch as i64, class as i64, i as i64]);
                }
            }
        }
    }
    Ok(out)
}
