//! Compile-time computation: guards and attribute values.

use crate::bindings::Binding;
use crate::builtin;
use crate::instance::Instance;
use egg::Id;
use qcc_dsl::{Meta, MetaOp, VarId};
use qcc_ops::AttrValue;
use qcc_tensor::DType;

/// A compile-time value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum V {
    /// Integer.
    Int(i64),
    /// Float.
    Float(f64),
    /// Truth value.
    Bool(bool),
    /// Text.
    Str(String),
    /// Element type.
    DType(DType),
    /// List.
    List(Vec<V>),
    /// A tensor, for built-ins.
    Tensor(Id),
    /// An absent tensor.
    Absent,
    /// The values of a variadic variable.
    Many(Vec<Option<Id>>),
    /// An attribute that is left out.
    NoAttribute,
}

/// Evaluates; the error says what is not known or does not fit.
pub(crate) fn eval(instance: &mut Instance<'_>, meta: &Meta) -> Result<V, String> {
    Ok(match meta {
        Meta::Int(x) => V::Int(*x),
        Meta::Float(x) => V::Float(*x),
        Meta::Bool(x) => V::Bool(*x),
        Meta::Str(x) => V::Str(x.clone()),
        Meta::DType(x) => V::DType(*x),
        Meta::List(items) => V::List(items.iter().map(|m| eval(instance, m)).collect::<Result<_, _>>()?),
        Meta::Var(var) => variable(instance, *var)?,
        Meta::AttrOf(var, name) => match instance.bindings.get(*var) {
            Some(Binding::Attrs(attrs)) => attrs.get(name).map_or(V::NoAttribute, of_attribute),
            _ => return Err("it is no bundle of attributes".into()),
        },
        Meta::Index(list, index) => {
            let items = list_of(eval(instance, list)?)?;
            let index = int(&eval(instance, index)?)?;
            let at = if index < 0 { index + items.len() as i64 } else { index };
            let item = usize::try_from(at).ok().and_then(|i| items.get(i).cloned());
            item.ok_or_else(|| format!("a list of {} has no item {index}", items.len()))?
        }
        Meta::Not(x) => V::Bool(!truth(&eval(instance, x)?)?),
        Meta::Neg(x) => each(eval(instance, x)?, |v| match v {
            V::Int(x) => Ok(V::Int(-x)),
            V::Float(x) => Ok(V::Float(-x)),
            other => Err(format!("{other:?} is no number")),
        })?,
        Meta::Binary(MetaOp::And, a, b) => V::Bool(truth(&eval(instance, a)?)? && truth(&eval(instance, b)?)?),
        Meta::Binary(MetaOp::Or, a, b) => V::Bool(truth(&eval(instance, a)?)? || truth(&eval(instance, b)?)?),
        Meta::Binary(op, a, b) => {
            let (a, b) = (eval(instance, a)?, eval(instance, b)?);
            binary(*op, a, b)?
        }
        Meta::Call(builtin, args) => {
            let args: Vec<V> = args.iter().map(|m| eval(instance, m)).collect::<Result<_, _>>()?;
            builtin::call(instance, *builtin, &args)?
        }
    })
}

fn variable(instance: &mut Instance<'_>, var: VarId) -> Result<V, String> {
    Ok(match instance.bindings.get(var) {
        Some(Binding::Value(id)) => V::Tensor(*id),
        Some(Binding::Absent) => V::Absent,
        Some(Binding::Many(items)) => V::Many(items.clone()),
        Some(Binding::Attr(value)) => value.as_ref().map_or(V::NoAttribute, of_attribute),
        Some(Binding::Attrs(_) | Binding::Op(_)) => return Err("it is no value".into()),
        None => instance.constant_of(var)?.map_or(V::Absent, V::Tensor),
    })
}

fn of_attribute(value: &AttrValue) -> V {
    match value {
        AttrValue::Int(x) => V::Int(*x),
        AttrValue::Float(x) => V::Float(f64::from(*x)),
        AttrValue::Str(s) => V::Str(s.clone()),
        AttrValue::Ints(xs) => V::List(xs.iter().map(|&x| V::Int(x)).collect()),
        AttrValue::Floats(xs) => V::List(xs.iter().map(|&x| V::Float(f64::from(x))).collect()),
        AttrValue::Strs(xs) => V::List(xs.iter().map(|x| V::Str(x.clone())).collect()),
        AttrValue::Type(d) => V::DType(*d),
    }
}

/// A truth value; a list of them must be true throughout.
pub(crate) fn truth(value: &V) -> Result<bool, String> {
    match value {
        V::Bool(b) => Ok(*b),
        V::Int(x) => Ok(*x != 0),
        V::List(items) => items.iter().try_fold(true, |all, v| Ok(all && truth(v)?)),
        other => Err(format!("{other:?} is no truth value")),
    }
}

/// An integer.
pub(crate) fn int(value: &V) -> Result<i64, String> {
    match value {
        V::Int(x) => Ok(*x),
        V::Bool(x) => Ok(i64::from(*x)),
        V::Float(x) if x.fract() == 0.0 => Ok(*x as i64),
        V::List(items) if items.len() == 1 => int(&items[0]),
        other => Err(format!("{other:?} is no integer")),
    }
}

/// A number.
pub(crate) fn number(value: &V) -> Result<f64, String> {
    match value {
        V::Int(x) => Ok(*x as f64),
        V::Float(x) => Ok(*x),
        V::Bool(x) => Ok(f64::from(u8::from(*x))),
        V::List(items) if items.len() == 1 => number(&items[0]),
        other => Err(format!("{other:?} is no number")),
    }
}

/// A list; a single value is a list of one.
pub(crate) fn list_of(value: V) -> Result<Vec<V>, String> {
    match value {
        V::List(items) => Ok(items),
        V::Tensor(_) | V::Many(_) | V::Absent | V::NoAttribute => Err("it is no list".into()),
        single => Ok(vec![single]),
    }
}

/// A list of integers.
pub(crate) fn ints(value: &V) -> Result<Vec<i64>, String> {
    list_of(value.clone())?.iter().map(int).collect()
}

fn each(value: V, f: impl Fn(V) -> Result<V, String>) -> Result<V, String> {
    match value {
        V::List(items) => Ok(V::List(items.into_iter().map(f).collect::<Result<_, _>>()?)),
        single => f(single),
    }
}

/// A binary operation, item by item on lists. Two lists are equal as wholes.
fn binary(op: MetaOp, a: V, b: V) -> Result<V, String> {
    let whole = matches!(op, MetaOp::Eq | MetaOp::Ne);
    match (a, b) {
        (V::List(x), V::List(y)) if whole => {
            let mut same = x.len() == y.len();
            for (a, b) in x.into_iter().zip(y) {
                same = same && scalar(MetaOp::Eq, a, b)? == V::Bool(true);
            }
            Ok(V::Bool(same == (op == MetaOp::Eq)))
        }
        (V::List(x), V::List(y)) if x.len() == y.len() => {
            Ok(V::List(x.into_iter().zip(y).map(|(a, b)| scalar(op, a, b)).collect::<Result<_, _>>()?))
        }
        (V::List(x), V::List(y)) => Err(format!("lists of {} and {} items", x.len(), y.len())),
        (V::List(x), y) => each(V::List(x), |a| scalar(op, a, y.clone())),
        (x, V::List(y)) => each(V::List(y), |b| scalar(op, x.clone(), b)),
        (x, y) => scalar(op, x, y),
    }
}

fn scalar(op: MetaOp, a: V, b: V) -> Result<V, String> {
    let numeric = |v: &V| matches!(v, V::Int(_) | V::Float(_) | V::Bool(_));
    if !numeric(&a) || !numeric(&b) {
        return match op {
            MetaOp::Eq => Ok(V::Bool(a == b)),
            MetaOp::Ne => Ok(V::Bool(a != b)),
            _ => Err(format!("{a:?} and {b:?} are no numbers")),
        };
    }
    let (x, y) = (number(&a)?, number(&b)?);
    let exact = match (&a, &b) {
        (V::Float(_), _) | (_, V::Float(_)) => None,
        _ => Some((int(&a)?, int(&b)?)),
    };
    // Attributes are single-precision; a decimal written in a rule means the same single-precision number.
    let equal = x == y || (exact.is_none() && x as f32 == y as f32);
    let overflow = || "an integer overflows".to_string();
    Ok(match (op, exact) {
        (MetaOp::Eq, _) => V::Bool(equal),
        (MetaOp::Ne, _) => V::Bool(!equal),
        (MetaOp::Lt, _) => V::Bool(x < y),
        (MetaOp::Le, _) => V::Bool(x <= y),
        (MetaOp::Gt, _) => V::Bool(x > y),
        (MetaOp::Ge, _) => V::Bool(x >= y),
        (MetaOp::And, _) => V::Bool(truth(&a)? && truth(&b)?),
        (MetaOp::Or, _) => V::Bool(truth(&a)? || truth(&b)?),
        (MetaOp::Add, Some((x, y))) => V::Int(x.checked_add(y).ok_or_else(overflow)?),
        (MetaOp::Sub, Some((x, y))) => V::Int(x.checked_sub(y).ok_or_else(overflow)?),
        (MetaOp::Mul, Some((x, y))) => V::Int(x.checked_mul(y).ok_or_else(overflow)?),
        (MetaOp::Div | MetaOp::Mod, Some((_, 0))) => return Err("division by zero".into()),
        (MetaOp::Div, Some((x, y))) => V::Int(x.checked_div_euclid(y).ok_or_else(overflow)?),
        (MetaOp::Mod, Some((x, y))) => V::Int(x.checked_rem_euclid(y).ok_or_else(overflow)?),
        (MetaOp::Add, None) => V::Float(x + y),
        (MetaOp::Sub, None) => V::Float(x - y),
        (MetaOp::Mul, None) => V::Float(x * y),
        (MetaOp::Div, None) => V::Float(x / y),
        (MetaOp::Mod, None) => V::Float(x.rem_euclid(y)),
    })
}
