//! The built-in functions of guards and attribute values.

use crate::analysis::Scope;
use crate::instance::Instance;
use crate::meta::{V, int, ints, list_of, number, truth};
use crate::sum_fits::sum_fits;
use egg::Id;
use qcc_dsl::Builtin;
use qcc_tensor::{DType, Tensor, broadcast_shapes};
use std::collections::BTreeSet;

/// Calls a built-in function.
pub(crate) fn call(instance: &mut Instance<'_>, builtin: Builtin, args: &[V]) -> Result<V, String> {
    let arg = |i: usize| args.get(i).ok_or_else(|| format!("{builtin:?} needs {} arguments", i + 1));
    Ok(match builtin {
        Builtin::Const => V::Bool(tensors(args)?.into_iter().all(|id| instance.data(id).constant.is_some())),
        Builtin::Absent => V::Bool(*arg(0)? == V::Absent),
        Builtin::Present => V::Bool(*arg(0)? != V::Absent),
        Builtin::Closed => V::Bool(tensors(args)?.into_iter().all(|id| instance.data(id).scope == Scope::Closed)),
        Builtin::Shape => per_tensor(instance, arg(0)?, |i, id| {
            Ok(V::List(i.ty(id)?.shape.iter().map(|&d| V::Int(d as i64)).collect()))
        })?,
        Builtin::Rank => per_tensor(instance, arg(0)?, |i, id| Ok(V::Int(i.ty(id)?.rank() as i64)))?,
        Builtin::AllRank => {
            let rank = int(arg(1)?)?;
            let mut all = true;
            for id in tensors(&args[..1])? {
                all &= instance.ty(id)?.rank() as i64 == rank;
            }
            V::Bool(all)
        }
        Builtin::Dtype => per_tensor(instance, arg(0)?, |i, id| Ok(V::DType(i.ty(id)?.dtype)))?,
        Builtin::Elements => per_tensor(instance, arg(0)?, |i, id| Ok(V::Int(i.ty(id)?.elements() as i64)))?,
        Builtin::Value => of_tensor(&constant(instance, arg(0)?)?)?,
        Builtin::MinOf => extreme(&constant(instance, arg(0)?)?, f64::min)?,
        Builtin::MaxOf => extreme(&constant(instance, arg(0)?)?, f64::max)?,
        Builtin::Live if *arg(0)? == V::Absent => V::List(Vec::new()),
        Builtin::Live => live(&constant(instance, arg(0)?)?, int(arg(1)?)?)?,
        Builtin::AllClose => {
            let (x, y) = (constant(instance, arg(0)?)?, constant(instance, arg(1)?)?);
            V::Bool(all_close(&x, &y, number(arg(2)?)?)?)
        }
        Builtin::SumFits => {
            let zero = match arg(1)? {
                V::Absent => None,
                zero => Some(constant(instance, zero)?),
            };
            let (weights, bias) = (constant(instance, arg(0)?)?, constant(instance, arg(2)?)?);
            V::Bool(sum_fits(&weights, zero.as_ref(), &bias, int(arg(3)?)?, int(arg(4)?)?)?)
        }
        Builtin::Lowest => V::Int(limits(instance, arg(0)?)?.0),
        Builtin::Highest => V::Int(limits(instance, arg(0)?)?.1),
        Builtin::Steps => V::Int(i64::from(instance.data(tensor(arg(0)?)?).steps)),
        Builtin::RangeLo => V::Float(instance.data(tensor(arg(0)?)?).range.lo),
        Builtin::RangeHi => V::Float(instance.data(tensor(arg(0)?)?).range.hi),
        Builtin::Len => match arg(0)? {
            V::Many(items) => V::Int(items.len() as i64),
            other => V::Int(list_of(other.clone())?.len() as i64),
        },
        Builtin::Product => {
            V::Int(ints(arg(0)?)?.into_iter().try_fold(1i64, |n, d| n.checked_mul(d)).ok_or("the product overflows")?)
        }
        Builtin::All => {
            V::Bool(list_of(arg(0)?.clone())?.iter().try_fold(true, |all, v| Ok::<_, String>(all & truth(v)?))?)
        }
        Builtin::Any => {
            V::Bool(list_of(arg(0)?.clone())?.iter().try_fold(false, |any, v| Ok::<_, String>(any | truth(v)?))?)
        }
        Builtin::Slice => {
            let items = list_of(arg(0)?.clone())?;
            let bound = |i: i64| if i < 0 { i + items.len() as i64 } else { i };
            let (from, to) = (bound(int(arg(1)?)?), bound(int(arg(2)?)?));
            let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
            let part = range.and_then(|(from, to)| items.get(from..to));
            V::List(part.ok_or_else(|| format!("a list of {} has no part {from}..{to}", items.len()))?.to_vec())
        }
        Builtin::ConcatLists => {
            let mut items = Vec::new();
            for list in args {
                items.extend(list_of(list.clone())?);
            }
            V::List(items)
        }
        Builtin::Repeat => V::List(vec![arg(0)?.clone(); count(arg(1)?)?]),
        Builtin::Iota => V::List((0..count(arg(0)?)? as i64).map(V::Int).collect()),
        // First `p`, then `q`: axis `i` of the result is axis `q[i]` of the middle, which is axis `p[q[i]]` of the input.
        Builtin::Compose => permute(&list_of(arg(0)?.clone())?, &ints(arg(1)?)?)?,
        Builtin::Inverse => {
            let perm = ints(arg(0)?)?;
            let at = |axis: i64| perm.iter().position(|&p| p == axis).map(|i| V::Int(i as i64));
            let inverse: Option<Vec<V>> = (0..perm.len() as i64).map(at).collect();
            V::List(inverse.ok_or("it is no permutation")?)
        }
        Builtin::Permute => permute(&list_of(arg(0)?.clone())?, &ints(arg(1)?)?)?,
        Builtin::KeepsOrder => {
            let (perm, shape) = (ints(arg(0)?)?, ints(arg(1)?)?);
            let size = |p: i64| usize::try_from(p).ok().and_then(|p| shape.get(p)).copied();
            let moved: Vec<i64> = perm.into_iter().filter(|&p| size(p).is_some_and(|d| d != 1)).collect();
            V::Bool(moved.is_sorted())
        }
        Builtin::IndexOf => V::Int(position(&list_of(arg(0)?.clone())?, arg(1)?)),
        Builtin::MapAxes => {
            let perm = list_of(arg(1)?.clone())?;
            V::List(list_of(arg(0)?.clone())?.iter().map(|axis| V::Int(position(&perm, axis))).collect())
        }
        Builtin::Broadcast => {
            let shape = |v: &V| -> Result<Vec<usize>, String> {
                ints(v)?.into_iter().map(|d| usize::try_from(d).map_err(|_| "it is no shape".to_string())).collect()
            };
            let common = broadcast_shapes(&shape(arg(0)?)?, &shape(arg(1)?)?).ok_or("the shapes do not broadcast")?;
            V::List(common.iter().map(|&d| V::Int(d as i64)).collect())
        }
        Builtin::Sort => {
            let mut items = ints(arg(0)?)?;
            items.sort_unstable();
            V::List(items.into_iter().map(V::Int).collect())
        }
        Builtin::Union => {
            let both: BTreeSet<i64> = ints(arg(0)?)?.into_iter().chain(ints(arg(1)?)?).collect();
            V::List(both.into_iter().map(V::Int).collect())
        }
        Builtin::Min => pick(arg(0)?, arg(1)?, |a, b| a <= b)?,
        Builtin::Max => pick(arg(0)?, arg(1)?, |a, b| a >= b)?,
        Builtin::Abs => match arg(0)? {
            V::Int(x) => V::Int(x.saturating_abs()),
            other => V::Float(number(other)?.abs()),
        },
        Builtin::IsPowerOfTwo => {
            let x = number(arg(0)?)?;
            V::Bool(x > 0.0 && x.is_finite() && x.log2().fract() == 0.0 && x.log2().exp2() == x)
        }
    })
}

/// All tensors of the arguments; absent ones are left out.
fn tensors(args: &[V]) -> Result<Vec<Id>, String> {
    let mut out = Vec::new();
    for arg in args {
        match arg {
            V::Tensor(id) => out.push(*id),
            V::Many(items) => out.extend(items.iter().flatten()),
            V::Absent => {}
            other => return Err(format!("{other:?} is no tensor")),
        }
    }
    Ok(out)
}

fn tensor(value: &V) -> Result<Id, String> {
    match value {
        V::Tensor(id) => Ok(*id),
        other => Err(format!("{other:?} is no tensor")),
    }
}

fn per_tensor(
    instance: &Instance<'_>,
    value: &V,
    f: impl Fn(&Instance<'_>, Id) -> Result<V, String>,
) -> Result<V, String> {
    match value {
        V::Many(items) => Ok(V::List(items.iter().flatten().map(|&id| f(instance, id)).collect::<Result<_, _>>()?)),
        other => f(instance, tensor(other)?),
    }
}

fn constant(instance: &mut Instance<'_>, value: &V) -> Result<Tensor, String> {
    instance.value(tensor(value)?)
}

fn of_tensor(tensor: &Tensor) -> Result<V, String> {
    let values = tensor.to_f64_vec();
    let item = |i: usize| -> V {
        match tensor.to_i64_vec() {
            Some(ints) => V::Int(ints[i]),
            None => V::Float(values[i]),
        }
    };
    match (values.len(), tensor.rank()) {
        (1, _) => Ok(item(0)),
        (_, 1) => Ok(V::List(match tensor.to_i64_vec() {
            Some(ints) => ints.into_iter().map(V::Int).collect(),
            None => values.into_iter().map(V::Float).collect(),
        })),
        _ => Err(format!("the constant has type {}, not one number or a list", tensor.ty())),
    }
}

fn extreme(tensor: &Tensor, pick: fn(f64, f64) -> f64) -> Result<V, String> {
    let found = tensor.to_f64_vec().into_iter().reduce(pick).ok_or("the constant has no elements")?;
    Ok(if tensor.dtype().is_float() { V::Float(found) } else { V::Int(found as i64) })
}

/// Positions along an axis at which some element is not zero. Numbers are little endian: of a float, the highest bit of the last
/// byte is the sign.
fn live(tensor: &Tensor, axis: i64) -> Result<V, String> {
    let at = usize::try_from(if axis < 0 { axis + tensor.rank() as i64 } else { axis });
    let at = at.ok().filter(|&at| at < tensor.rank()).ok_or_else(|| format!("there is no axis {axis}"))?;
    let (size, count) = (tensor.dtype().size(), tensor.shape()[at]);
    let run = tensor.shape()[at + 1..].iter().product::<usize>() * size;
    let sign = if tensor.dtype().is_float() { 0x80 } else { 0 };
    let is_zero = |number: &[u8]| {
        let (last, rest) = number.split_last().expect("every type has bytes");
        last & !sign == 0 && rest.iter().all(|&byte| byte == 0)
    };
    let mut found = vec![false; count];
    if run > 0 && count > 0 {
        for (i, slice) in tensor.bytes().chunks_exact(run).enumerate() {
            let found = &mut found[i % count];
            *found = *found || !slice.chunks_exact(size).all(is_zero);
        }
    }
    Ok(V::List(found.iter().zip(0..).filter(|(found, _)| **found).map(|(_, i)| V::Int(i)).collect()))
}

fn all_close(x: &Tensor, y: &Tensor, rtol: f64) -> Result<bool, String> {
    let shape = broadcast_shapes(x.shape(), y.shape()).ok_or("the shapes do not broadcast")?;
    let (xs, ys) = (x.to_f64_vec(), y.to_f64_vec());
    let close = |a: f64, b: f64| a == b || (a - b).abs() <= rtol * a.abs().max(b.abs());
    let total: usize = shape.iter().product();
    Ok((0..total).all(|i| close(xs[offset(i, &shape, x.shape())], ys[offset(i, &shape, y.shape())])))
}

/// Position in a tensor of shape `own` of the element that broadcasts to position `index` of `shape`.
fn offset(mut index: usize, shape: &[usize], own: &[usize]) -> usize {
    let (mut offset, mut stride) = (0, 1);
    for axis in (0..shape.len()).rev() {
        let at = index % shape[axis];
        index /= shape[axis];
        if let Some(d) = (axis + own.len()).checked_sub(shape.len()).map(|a| own[a]) {
            offset += if d == 1 { 0 } else { at * stride };
            stride *= d;
        }
    }
    offset
}

fn limits(instance: &Instance<'_>, value: &V) -> Result<(i64, i64), String> {
    let dtype: DType = match value {
        V::DType(d) => *d,
        other => instance.ty(tensor(other)?)?.dtype,
    };
    let (lo, hi) = dtype.int_range().ok_or_else(|| format!("{dtype} is no integer type"))?;
    i64::try_from(lo).ok().zip(i64::try_from(hi).ok()).ok_or_else(|| format!("the limits of {dtype} are too large"))
}

fn count(value: &V) -> Result<usize, String> {
    usize::try_from(int(value)?).ok().filter(|&n| n <= 1 << 16).ok_or_else(|| "it is no count".to_string())
}

fn permute(items: &[V], perm: &[i64]) -> Result<V, String> {
    let at = |&p: &i64| usize::try_from(p).ok().and_then(|p| items.get(p).cloned());
    let moved: Option<Vec<V>> = perm.iter().map(at).collect();
    moved.map(V::List).ok_or_else(|| "a permutation names an item that does not exist".into())
}

fn position(items: &[V], item: &V) -> i64 {
    items.iter().position(|v| v == item).map_or(-1, |i| i as i64)
}

fn pick(a: &V, b: &V, first: fn(f64, f64) -> bool) -> Result<V, String> {
    Ok(if first(number(a)?, number(b)?) { a.clone() } else { b.clone() })
}
