//! What must change in a case so that a guard holds.
//!
//! A guard is taken apart down to comparisons; one side of a comparison is often something the generator decides (an attribute,
//! the shape, type, size or contents of a variable), and the other side has a value in the case at hand. The decision is pinned to
//! what makes the comparison true, and the case is built again. Guards that cannot be solved so are left to chance.

use super::draw::Draw;
use super::pins::Pins;
use crate::instance::Instance;
use crate::meta::{self, V};
use qcc_dsl::{Builtin, Meta, MetaOp, Rule, VarId, VarKind};
use qcc_ops::AttrValue;

/// Elements and axes of a demanded tensor at most; what a guard demands beyond is left to the tests beside the rules.
const LARGEST: usize = 4096;
const MOST_AXES: usize = 6;

/// Something the generator decides.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    /// An attribute; the name is empty for an attribute variable.
    Attr(VarId, String),
    /// A property of a tensor variable.
    Of(Builtin, VarId),
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Whole,
    Range(i64, i64),
}

/// Solves guards of one case.
pub(crate) struct Solver<'a, 'b, 'd, 'e> {
    /// The match.
    pub(crate) instance: &'b mut Instance<'a>,
    /// The rule.
    pub(crate) rule: &'b Rule,
    /// Demands so far.
    pub(crate) pins: &'b mut Pins,
    /// Decisions between several solutions.
    pub(crate) draw: &'e mut Draw<'d>,
}

impl Solver<'_, '_, '_, '_> {
    /// Whether a condition holds; demands what is missing if not.
    pub(crate) fn satisfy(&mut self, condition: &Meta, wanted: bool) -> bool {
        let holds = meta::eval(self.instance, condition).and_then(|v| meta::truth(&v));
        if holds == Ok(wanted) {
            return true;
        }
        if holds.is_err() {
            self.make_constant(condition);
        }
        self.demand(condition, wanted);
        false
    }

    /// The same along one way through the alternatives of a condition: of `a or b` the first alone is to hold, the second alone, or
    /// either. Left to chance, the alternative that is met most easily would be the only one that is ever tried.
    pub(crate) fn satisfy_one_way(&mut self, condition: &Meta, wanted: bool, ways: &mut Draw<'_>, at: usize) -> bool {
        match condition {
            Meta::Not(inner) => self.satisfy_one_way(inner, !wanted, ways, at),
            Meta::Binary(op @ (MetaOp::And | MetaOp::Or), a, b) => {
                let both = (*op == MetaOp::And) == wanted;
                let way = if both { 0 } else { ways.pick(&format!("way {at}"), 3) };
                match (both, way) {
                    (true, _) => {
                        // The second is often meaningless before the first holds.
                        self.satisfy_one_way(a, wanted, ways, 2 * at)
                            && self.satisfy_one_way(b, wanted, ways, 2 * at + 1)
                    }
                    (false, 1) => {
                        self.satisfy_one_way(a, wanted, ways, 2 * at)
                            && self.satisfy_one_way(b, !wanted, ways, 2 * at + 1)
                    }
                    (false, 2) => {
                        self.satisfy_one_way(a, !wanted, ways, 2 * at)
                            && self.satisfy_one_way(b, wanted, ways, 2 * at + 1)
                    }
                    (false, _) => self.satisfy(condition, wanted),
                }
            }
            _ => self.satisfy(condition, wanted),
        }
    }

    fn demand(&mut self, condition: &Meta, wanted: bool) {
        match condition {
            Meta::Not(inner) => self.demand(inner, !wanted),
            Meta::Binary(op @ (MetaOp::And | MetaOp::Or), a, b) => {
                // `a and b` wanted, or `a or b` not wanted: both; else one of the two.
                if (*op == MetaOp::And) == wanted {
                    self.satisfy(a, wanted);
                    self.satisfy(b, wanted);
                } else if self.draw.pick("branch", 2) == 0 {
                    self.satisfy(a, wanted);
                } else {
                    self.satisfy(b, wanted);
                }
            }
            Meta::Binary(op, a, b) => self.comparison(*op, a, b, wanted),
            Meta::Call(builtin, args) => self.call(*builtin, args, wanted),
            _ => {}
        }
    }

    fn call(&mut self, builtin: Builtin, args: &[Meta], wanted: bool) {
        let vars: Vec<VarId> = args.iter().filter_map(|a| if let Meta::Var(v) = a { Some(*v) } else { None }).collect();
        match builtin {
            Builtin::Const => {
                let one = self.draw.pick("run-time", vars.len().max(1));
                for (i, var) in vars.into_iter().enumerate().filter(|(i, _)| wanted || *i == one) {
                    let _ = i;
                    for leaf in self.leaves(var) {
                        self.pins.tensor(leaf).constant = Some(wanted);
                    }
                }
            }
            Builtin::Absent | Builtin::Present => {
                for var in vars {
                    self.pins.tensor(var).present = Some((builtin == Builtin::Present) == wanted);
                }
            }
            Builtin::Closed => vars.into_iter().for_each(|var| self.pins.tensor(var).closed = wanted),
            Builtin::All | Builtin::Any => args.iter().for_each(|a| self.demand(a, wanted)),
            Builtin::AllRank => {
                if let (Some(&var), Ok(V::Int(rank))) = (vars.first(), meta::eval(self.instance, &args[1])) {
                    self.pins.tensor(var).rank = usize::try_from(rank).ok().filter(|&n| wanted && n <= MOST_AXES);
                }
            }
            Builtin::AllClose if wanted => {
                for (own, other) in [(0, 1), (1, 0)] {
                    let Some(Meta::Var(var)) = args.get(own) else { continue };
                    if self.rule.vars[var.0 as usize].kind == VarKind::Let {
                        continue;
                    }
                    let Ok(V::Tensor(id)) = meta::eval(self.instance, &args[other]) else { continue };
                    if let Ok(value) = self.instance.value(id) {
                        let pin = self.pins.tensor(*var);
                        pin.constant = Some(true);
                        pin.shape = Some(value.shape().to_vec());
                        pin.value = Some(value.to_f64_vec());
                    }
                    return;
                }
            }
            _ => {}
        }
    }

    /// The tensor variables that make up a variable: itself, or what a `where` constant is computed from.
    fn leaves(&self, var: VarId) -> Vec<VarId> {
        if self.rule.vars[var.0 as usize].kind != VarKind::Let {
            return vec![var];
        }
        let own = self.rule.lets.iter().filter(|l| l.var == var);
        own.flat_map(|l| variables(&l.value)).flat_map(|v| self.leaves(v)).collect()
    }

    /// A condition that cannot be evaluated mostly asks for the contents of a run-time value.
    fn make_constant(&mut self, condition: &Meta) {
        each(condition, &mut |part| {
            let Meta::Call(
                Builtin::Value | Builtin::MinOf | Builtin::MaxOf | Builtin::Live | Builtin::AllClose | Builtin::SumFits,
                args,
            ) = part
            else {
                return;
            };
            for arg in args {
                if let Meta::Var(var) = arg {
                    for leaf in self.leaves(*var) {
                        self.pins.tensor(leaf).constant = Some(true);
                    }
                }
            }
        });
    }

    /// Solves `own op target` where `own` computes with something that the generator decides; `false` if it does not.
    fn inverted(&mut self, op: MetaOp, own: &Meta, target: f64) -> bool {
        if let Some(place) = self.place(own) {
            let now = meta::eval(self.instance, own).ok();
            if let Some(value) = satisfying(op, &V::Float(target), now.as_ref(), self.draw) {
                self.assign(&place, value);
            }
            return true;
        }
        let mut number = |m: &Meta| meta::eval(self.instance, m).and_then(|v| meta::number(&v)).ok();
        match own {
            Meta::Call(Builtin::Abs, args) => match (op, args.first()) {
                (MetaOp::Lt | MetaOp::Le | MetaOp::Eq, Some(inner)) => self.inverted(MetaOp::Eq, inner, 0.0),
                (MetaOp::Gt | MetaOp::Ge | MetaOp::Ne, Some(inner)) => self.inverted(MetaOp::Gt, inner, target),
                _ => false,
            },
            Meta::Binary(sign @ (MetaOp::Add | MetaOp::Sub), a, b) => {
                let plus = *sign == MetaOp::Add;
                if let Some(b) = number(b)
                    && self.inverted(op, a, if plus { target - b } else { target + b })
                {
                    return true;
                }
                let mut number = |m: &Meta| meta::eval(self.instance, m).and_then(|v| meta::number(&v)).ok();
                match number(a) {
                    Some(a) if plus => self.inverted(op, b, target - a),
                    Some(a) => self.inverted(mirrored(op), b, a - target),
                    None => false,
                }
            }
            _ => false,
        }
    }

    fn comparison(&mut self, op: MetaOp, a: &Meta, b: &Meta, wanted: bool) {
        let op = if wanted { op } else { negated(op) };
        if self.thin_out(&[a, b]) {
            return;
        }
        let sides = [(a, b, op), (b, a, mirrored(op))];
        let possible: Vec<_> =
            sides.into_iter().filter_map(|(own, other, op)| self.place(own).map(|p| (p, own, other, op))).collect();
        if possible.is_empty() {
            for (own, other, op) in [(a, b, op), (b, a, mirrored(op))] {
                let target = meta::eval(self.instance, other).and_then(|v| meta::number(&v));
                if target.is_ok_and(|target| self.inverted(op, own, target)) {
                    return;
                }
            }
            return;
        }
        let (place, own, other, op) = possible[self.draw.pick("side", possible.len())].clone();
        let Ok(target) = meta::eval(self.instance, other) else { return };
        let now = meta::eval(self.instance, own).ok();
        if let Some(value) = satisfying(op, &target, now.as_ref(), self.draw) {
            self.assign(&place, value);
        }
    }

    /// A comparison of what is not zero in some constants: the same slices of all of them become zero, the last one for certain and
    /// the first one never. `false` if the comparison is of something else.
    fn thin_out(&mut self, sides: &[&Meta]) -> bool {
        let mut asked: Vec<(VarId, Meta)> = Vec::new();
        for side in sides {
            each(side, &mut |part| {
                if let Meta::Call(Builtin::Live, args) = part
                    && let [Meta::Var(var), axis] = &args[..]
                {
                    asked.push((*var, axis.clone()));
                }
            });
        }
        for (var, axis) in &asked {
            let axis = meta::eval(self.instance, axis).and_then(|v| meta::int(&v)).ok();
            let value = meta::eval(self.instance, &Meta::Var(*var)).and_then(|v| match v {
                V::Tensor(id) => self.instance.value(id),
                other => Err(format!("{other:?} is no tensor")),
            });
            let (Some(axis), Ok(value)) = (axis.and_then(|a| usize::try_from(a).ok()), value) else { continue };
            let Some(&count) = value.shape().get(axis) else { continue };
            let run: usize = value.shape()[axis + 1..].iter().product();
            let gone: Vec<bool> =
                (0..count).map(|i| i > 0 && (i + 1 == count || self.draw.pick(&format!("zero {i}"), 2) == 1)).collect();
            let mut numbers = value.to_f64_vec();
            for (i, number) in numbers.iter_mut().enumerate() {
                if gone[i / run.max(1) % count.max(1)] {
                    *number = 0.0;
                }
            }
            let pin = self.pins.tensor(*var);
            (pin.constant, pin.shape, pin.value) = (Some(true), Some(value.shape().to_vec()), Some(numbers));
        }
        !asked.is_empty()
    }

    /// What the generator decides about a side of a comparison.
    fn place(&mut self, meta: &Meta) -> Option<(Place, Part)> {
        match meta {
            Meta::Var(var) => {
                let kind = self.rule.vars[var.0 as usize].kind;
                (kind == VarKind::Attr).then(|| (Place::Attr(*var, String::new()), Part::Whole))
            }
            Meta::AttrOf(var, name) => Some((Place::Attr(*var, name.clone()), Part::Whole)),
            Meta::Call(what, args) => match (what, &args[..]) {
                (
                    Builtin::Value | Builtin::Shape | Builtin::Rank | Builtin::Elements | Builtin::Dtype,
                    [Meta::Var(var)],
                ) => {
                    let own = self.rule.vars[var.0 as usize].kind != VarKind::Let;
                    own.then_some((Place::Of(*what, *var), Part::Whole))
                }
                (Builtin::Slice, [list, from, to]) => {
                    let (place, Part::Whole) = self.place(list)? else { return None };
                    let mut number = |m: &Meta| meta::eval(self.instance, m).and_then(|v| meta::int(&v)).ok();
                    Some((place, Part::Range(number(from)?, number(to)?)))
                }
                _ => None,
            },
            Meta::Index(list, index) => {
                let (place, Part::Whole) = self.place(list)? else { return None };
                let at = meta::eval(self.instance, index).and_then(|v| meta::int(&v)).ok()?;
                let length = self.current(&place).and_then(|v| meta::list_of(v).ok())?.len() as i64;
                let at = if at < 0 { at + length } else { at };
                Some((place, Part::Range(at, at + 1)))
            }
            _ => None,
        }
    }

    fn current(&mut self, place: &Place) -> Option<V> {
        let meta = match place {
            Place::Attr(var, name) if name.is_empty() => Meta::Var(*var),
            Place::Attr(var, name) => Meta::AttrOf(*var, name.clone()),
            Place::Of(what, var) => Meta::Call(*what, vec![Meta::Var(*var)]),
        };
        meta::eval(self.instance, &meta).ok()
    }

    fn assign(&mut self, (place, part): &(Place, Part), value: V) {
        let value = match *part {
            Part::Whole => value,
            Part::Range(from, to) => {
                let Some(Ok(mut items)) = self.current(place).map(meta::list_of) else { return };
                let news = meta::list_of(value).unwrap_or_default();
                for (k, at) in (from..to).enumerate() {
                    let new = news.get(k).or_else(|| news.first().filter(|_| news.len() == 1));
                    if let (Some(slot), Some(new)) = (usize::try_from(at).ok().and_then(|i| items.get_mut(i)), new) {
                        *slot = new.clone();
                    }
                }
                V::List(items)
            }
        };
        match place {
            Place::Attr(var, name) => {
                if let Some(value) = attribute(&value) {
                    self.pins.attrs.insert((*var, name.clone()), value);
                }
            }
            Place::Of(what, var) => self.pin(*what, *var, &value),
        }
    }

    fn pin(&mut self, what: Builtin, var: VarId, value: &V) {
        let size = |v: &V| meta::int(v).ok().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= LARGEST);
        let shape = |items: &[V]| -> Option<Vec<usize>> {
            let shape: Vec<usize> = items.iter().map(size).collect::<Option<_>>()?;
            let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
            (shape.len() <= MOST_AXES && elements <= LARGEST).then_some(shape)
        };
        let pin = self.pins.tensor(var);
        match (what, value) {
            (Builtin::Value, V::List(items)) => {
                pin.constant = Some(true);
                pin.shape = Some(vec![items.len()]);
                pin.value = items.iter().map(|v| meta::number(v).ok()).collect();
            }
            (Builtin::Value, value) => {
                pin.constant = Some(true);
                pin.value = meta::number(value).ok().map(|v| vec![v]);
                pin.elements = Some(1);
            }
            (Builtin::Shape, V::List(items)) => {
                (pin.shape, pin.rank, pin.elements) = (shape(items), None, None);
            }
            (Builtin::Rank, value) => (pin.rank, pin.shape) = (size(value).filter(|&n| n <= MOST_AXES), None),
            (Builtin::Elements, value) => (pin.elements, pin.shape) = (size(value), None),
            (Builtin::Dtype, V::DType(d)) => pin.dtype = Some(*d),
            _ => {}
        }
    }
}

fn negated(op: MetaOp) -> MetaOp {
    match op {
        MetaOp::Eq => MetaOp::Ne,
        MetaOp::Ne => MetaOp::Eq,
        MetaOp::Lt => MetaOp::Ge,
        MetaOp::Ge => MetaOp::Lt,
        MetaOp::Gt => MetaOp::Le,
        MetaOp::Le => MetaOp::Gt,
        other => other,
    }
}

fn mirrored(op: MetaOp) -> MetaOp {
    match op {
        MetaOp::Lt => MetaOp::Gt,
        MetaOp::Gt => MetaOp::Lt,
        MetaOp::Le => MetaOp::Ge,
        MetaOp::Ge => MetaOp::Le,
        other => other,
    }
}

/// A value that stands in the relation to `target`; lists item by item, keeping items that do already.
fn satisfying(op: MetaOp, target: &V, now: Option<&V>, draw: &mut Draw<'_>) -> Option<V> {
    match (target, now) {
        _ if op == MetaOp::Eq && !matches!(now, Some(V::List(_))) => Some(target.clone()),
        (V::List(_), _) if op == MetaOp::Eq => Some(target.clone()),
        (V::List(items), _) if op == MetaOp::Ne => {
            let mut items = items.clone();
            let at = draw.pick("different item", items.len().max(1));
            let first = items.get_mut(at)?;
            *first = one(op, &first.clone(), None, draw)?;
            Some(V::List(items))
        }
        (target, Some(V::List(now))) => {
            let at = |i: usize| match target {
                V::List(items) => items.get(i),
                single => Some(single),
            };
            let items: Option<Vec<V>> = now.iter().enumerate().map(|(i, v)| one(op, at(i)?, Some(v), draw)).collect();
            items.map(V::List)
        }
        (target, now) => one(op, target, now, draw),
    }
}

fn one(op: MetaOp, target: &V, now: Option<&V>, draw: &mut Draw<'_>) -> Option<V> {
    let step = 1 + draw.pick("distance", 3) as i64;
    let number = |n: f64| if matches!(target, V::Float(_)) { V::Float(n) } else { V::Int(n as i64) };
    match target {
        V::Int(_) | V::Float(_) => {
            let t = meta::number(target).ok()?;
            if let Some(Ok(n)) = now.map(meta::number)
                && match op {
                    MetaOp::Eq => n == t,
                    MetaOp::Ne => n != t,
                    MetaOp::Lt => n < t,
                    MetaOp::Le => n <= t,
                    MetaOp::Gt => n > t,
                    _ => n >= t,
                }
            {
                return now.cloned();
            }
            // A bound between two close numbers is met only by small steps.
            let step = step as f64
                * if matches!(target, V::Float(_)) { draw.one_of("scale", &[1.0, 1e-3, 1e-6]) } else { 1.0 };
            Some(number(match op {
                MetaOp::Eq => t,
                MetaOp::Ne if draw.pick("side of it", 2) == 0 => t + step,
                MetaOp::Ne | MetaOp::Lt => t - step,
                MetaOp::Le => t - (step - 1.0),
                MetaOp::Gt => t + step,
                _ => t + (step - 1.0),
            }))
        }
        other => (op == MetaOp::Eq).then(|| other.clone()),
    }
}

fn attribute(value: &V) -> Option<AttrValue> {
    Some(match value {
        V::Int(x) => AttrValue::Int(*x),
        V::Float(x) => AttrValue::Float(*x as f32),
        V::Bool(b) => AttrValue::Int(i64::from(*b)),
        V::Str(s) => AttrValue::Str(s.clone()),
        V::DType(d) => AttrValue::Type(*d),
        V::List(items) => AttrValue::Ints(items.iter().map(|v| meta::int(v).ok()).collect::<Option<_>>()?),
        _ => return None,
    })
}

/// Calls `f` for a condition and everything inside it.
fn each(meta: &Meta, f: &mut dyn FnMut(&Meta)) {
    f(meta);
    match meta {
        Meta::List(items) | Meta::Call(_, items) => items.iter().for_each(|m| each(m, f)),
        Meta::Not(a) | Meta::Neg(a) => each(a, f),
        Meta::Index(a, b) | Meta::Binary(_, a, b) => {
            each(a, f);
            each(b, f);
        }
        _ => {}
    }
}

/// Tensor variables of a term.
fn variables(expr: &qcc_dsl::Expr) -> Vec<VarId> {
    use qcc_dsl::{ArgExpr, Expr};
    match expr {
        Expr::Var(v) | Expr::Folded(v) => vec![*v],
        Expr::Reshape(inner, _) => variables(inner),
        Expr::Op(call) => call
            .args
            .iter()
            .flat_map(|a| match a {
                ArgExpr::One(e) | ArgExpr::Each { body: e, .. } => variables(e),
                ArgExpr::Spread(v) => vec![*v],
            })
            .collect(),
        _ => Vec::new(),
    }
}
