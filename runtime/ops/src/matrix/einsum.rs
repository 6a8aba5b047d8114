//! `Einsum`.

use crate::index::each_index;
use crate::{AttrDef, AttrKind, Attrs, Default, EvalArgs, InferArgs, OpDef, OpError, Param};
use qcc_tensor::{Tensor, TensorType, row_major_strides};

/// Sums of products over named axes: `ij,jk->ik` is a matrix product. `...` stands for any number of axes, which broadcast.
/// Floats are summed in f64 and rounded once, integers in i128 and wrapped.
pub static OP: OpDef = OpDef {
    name: "Einsum",
    domain: "",
    doc: "Sums of products over named axes.",
    inputs: &[Param::variadic("inputs")],
    outputs: &[Param::one("output")],
    attrs: &[AttrDef::new("equation", AttrKind::Str, Default::Required)],
    elementwise: false,
    infer,
    eval,
    macs,
};

/// An axis of the equation: a letter, or one of those behind `...`, counted from the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Dots(usize),
    Letter(char),
}

/// An equation with the sizes of its labels.
struct Plan {
    operands: Vec<Vec<Label>>,
    output: Vec<Label>,
    /// Every label, those of the output first, with its size.
    sizes: Vec<(Label, usize)>,
}

/// Letters and whether there are dots between them.
fn term(text: &str) -> Result<(Vec<char>, Option<usize>), OpError> {
    let mut letters = Vec::new();
    let mut dots = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            if dots.replace(letters.len()).is_some() {
                return Err(OpError::invalid(format!("`{text}` has two ellipses")));
            }
            rest = after;
        } else if c.is_ascii_alphabetic() {
            letters.push(c);
            rest = &rest[1..];
        } else {
            return Err(OpError::invalid(format!("`{c}` in the equation's term `{text}` is no letter")));
        }
    }
    Ok((letters, dots))
}

fn labels(text: &str, rank: Option<usize>, dims: usize) -> Result<Vec<Label>, OpError> {
    let (letters, dots) = term(text)?;
    let hidden = match (rank, dots) {
        (Some(rank), None) if rank != letters.len() => {
            return Err(OpError::invalid(format!(
                "the term `{text}` names {} axes, its operand has {rank}",
                letters.len()
            )));
        }
        (Some(rank), Some(_)) => rank.checked_sub(letters.len()).ok_or_else(|| {
            OpError::invalid(format!("the term `{text}` names more axes than the {rank} of its operand"))
        })?,
        (None, Some(_)) => dims,
        (_, None) => 0,
    };
    let at = dots.unwrap_or(0);
    let letter = |c: &char| Label::Letter(*c);
    let hidden = (0..hidden).rev().map(Label::Dots);
    Ok(letters[..at].iter().map(letter).chain(hidden).chain(letters[at..].iter().map(letter)).collect())
}

fn plan(equation: &str, shapes: &[&[usize]]) -> Result<Plan, OpError> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != shapes.len() {
        return Err(OpError::invalid(format!(
            "the equation `{equation}` has {} terms for {} operands",
            terms.len(),
            shapes.len()
        )));
    }
    let operands: Vec<Vec<Label>> =
        terms.iter().zip(shapes).map(|(t, s)| labels(t, Some(s.len()), 0)).collect::<Result<_, _>>()?;
    let all = || operands.iter().flatten().copied();
    let dims = all().filter_map(|l| if let Label::Dots(i) = l { Some(i + 1) } else { None }).max().unwrap_or(0);
    let output = match right {
        Some(right) => labels(right, None, dims)?,
        None => {
            let mut once: Vec<Label> = all().filter(|l| matches!(l, Label::Letter(_))).collect();
            once.sort_unstable();
            let single: Vec<Label> =
                once.iter().copied().filter(|l| once.iter().filter(|m| *m == l).count() == 1).collect();
            (0..dims).rev().map(Label::Dots).chain(single).collect()
        }
    };
    let mut sizes: Vec<(Label, usize)> = Vec::new();
    for &label in &output {
        if sizes.iter().any(|(l, _)| *l == label) {
            return Err(OpError::invalid(format!("the result of `{equation}` names an axis twice")));
        }
        sizes.push((label, 1));
    }
    let mut seen = vec![false; sizes.len()];
    for (operand, shape) in operands.iter().zip(shapes) {
        for (&label, &size) in operand.iter().zip(*shape) {
            let at = sizes.iter().position(|(l, _)| *l == label).unwrap_or_else(|| {
                sizes.push((label, 1));
                seen.push(false);
                sizes.len() - 1
            });
            let known = &mut sizes[at].1;
            match (*known, size) {
                (a, b) if a == b => {}
                (1, b) => *known = b,
                (_, 1) if seen[at] => {}
                (a, b) => return Err(OpError::invalid(format!("an axis of `{equation}` is {a} and {b}"))),
            }
            seen[at] = true;
        }
    }
    if !seen.iter().all(|&s| s) {
        return Err(OpError::invalid(format!("the result of `{equation}` names an axis that no operand has")));
    }
    let all: Vec<usize> = sizes.iter().map(|(_, n)| *n).collect();
    crate::shape::axes::checked_elements(&all)?;
    Ok(Plan { operands, output, sizes })
}

fn infer(a: &mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError> {
    let types = (0..a.inputs.len()).map(|i| a.ty(i)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = types.first() else { return Err(OpError::invalid("there are no operands")) };
    if types.iter().any(|t| t.dtype != first.dtype) || !(first.dtype.is_float() || first.dtype.is_int()) {
        return Err(OpError::invalid("the operands must have one number type"));
    }
    let shapes: Vec<&[usize]> = types.iter().map(|t| &t.shape[..]).collect();
    let plan = plan(a.attrs.str("equation").unwrap_or(""), &shapes)?;
    Ok(vec![TensorType::new(first.dtype, plan.sizes[..plan.output.len()].iter().map(|(_, n)| *n))])
}

fn macs(inputs: &[Option<&TensorType>], _: &[TensorType], attrs: &Attrs) -> u64 {
    let shapes: Vec<&[usize]> = inputs.iter().flatten().map(|t| &t.shape[..]).collect();
    plan(attrs.str("equation").unwrap_or(""), &shapes).map_or(0, |p| p.sizes.iter().map(|(_, n)| *n as u64).product())
}

fn eval(a: &EvalArgs<'_>) -> Result<Vec<Tensor>, OpError> {
    let inputs = (0..a.inputs.len()).map(|i| a.input(i)).collect::<Result<Vec<_>, _>>()?;
    let shapes: Vec<&[usize]> = inputs.iter().map(|t| t.shape()).collect();
    let plan = plan(a.attrs.str("equation").unwrap_or(""), &shapes)?;
    // Elements between neighbours along each label, for each operand; zero where it broadcasts or does not have it.
    let steps: Vec<Vec<usize>> = plan
        .operands
        .iter()
        .zip(&shapes)
        .map(|(operand, shape)| {
            let strides = row_major_strides(shape);
            let step = |label: Label| {
                (0..operand.len()).filter(|&d| operand[d] == label && shape[d] > 1).map(|d| strides[d]).sum()
            };
            plan.sizes.iter().map(|(label, _)| step(*label)).collect()
        })
        .collect();
    let sizes: Vec<usize> = plan.sizes.iter().map(|(_, n)| *n).collect();
    let (outer, inner) = sizes.split_at(plan.output.len());
    let position = |steps: &[usize], index: &[usize]| index.iter().zip(steps).map(|(i, s)| i * s).sum::<usize>();
    let dtype = inputs[0].dtype();
    let split = plan.output.len();
    if dtype.is_float() {
        let data: Vec<Vec<f64>> = inputs.iter().map(|t| t.to_f64_vec()).collect();
        let mut out = Vec::new();
        each_index(outer, |o| {
            let base: Vec<usize> = steps.iter().map(|s| position(&s[..split], o)).collect();
            let mut sum = 0.0;
            each_index(inner, |i| {
                let factors = data.iter().zip(&steps).zip(&base);
                sum += factors.map(|((x, s), b)| x[b + position(&s[split..], i)]).product::<f64>();
            });
            out.push(sum);
        });
        return Ok(vec![Tensor::from_f64(dtype, outer.iter().copied(), &out)]);
    }
    crate::numeric::dispatch!(ints dtype, T => {
        let data: Vec<&[T]> = inputs.iter().map(|t| t.slice::<T>()).collect();
        let mut out: Vec<T> = Vec::new();
        each_index(outer, |o| {
            let base: Vec<usize> = steps.iter().map(|s| position(&s[..split], o)).collect();
            let mut sum: T = 0;
            each_index(inner, |i| {
                let factors = data.iter().zip(&steps).zip(&base);
                let product = factors.map(|((x, s), b)| x[b + position(&s[split..], i)]).fold(1 as T, |p, v| p.wrapping_mul(v));
                sum = sum.wrapping_add(product);
            });
            out.push(sum);
        });
        Ok(vec![Tensor::new(outer.iter().copied(), out)])
    }, "Einsum")
}
