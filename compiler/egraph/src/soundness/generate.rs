//! Graphs that a rule's left side matches, built from the pattern.
//!
//! The pattern is walked from the root; each call asks its arguments for what it needs ([`super::arguments`]), leaves become
//! inputs or constants. What a guard demands ([`Pins`]) overrides the wishes. Nothing here knows a rule.

use super::arguments::{Partial, argument};
use super::attributes::{attribute, in_order};
use super::body;
use super::case::{Case, Term};
use super::content::{Content, STYLES, fill};
use super::draw::Draw;
use super::pins::{Pin, Pins};
use super::want::Want;
use qcc_dsl::{ArgPattern, AttrMatch, AttrRest, OpMatch, OpPattern, Pattern, Rule, VarId};
use qcc_ops::{Arity, AttrKind, AttrValue, Attrs, Op};
use qcc_tensor::{Tensor, TensorType};

/// Operators of a class without bounds (`f:any`) are drawn this often before the case is given up.
const OPERATORS: usize = 4;

/// A variadic input has at most so many values.
const MOST_VALUES: usize = 3;

/// What a variable stands for.
#[derive(Debug, Clone)]
enum Bound {
    Value(usize),
    Absent,
    Attr(Option<AttrValue>),
    Attrs(Attrs),
    Op(Op),
}

/// A case under construction.
pub(crate) struct Generator<'a, 'd> {
    pins: &'a Pins,
    /// Decisions.
    pub(crate) draw: Draw<'d>,
    /// What has been built.
    pub(crate) case: Case,
    bound: Vec<Option<Bound>>,
    acc: Option<TensorType>,
    /// Whether values may be the accumulator of a kernel around the case.
    inside: bool,
}

/// Builds a case; `Err` says which call has no type, which is no fault of the rule.
pub(crate) fn generate<'d>(rule: &Rule, pins: &Pins, draw: Draw<'d>) -> (Result<Case, String>, Draw<'d>) {
    let bound = vec![None; rule.vars.len()];
    let mut generator = Generator { pins, draw, case: Case::default(), bound, acc: None, inside: false };
    // A rule about kernels may meet its terms inside the body of another kernel.
    generator.inside = kernels(rule) && generator.draw.rarely("inside a kernel", 4);
    let mut failed = None;
    for (i, root) in rule.roots.iter().enumerate() {
        generator.draw.enter(0, i);
        match generator.pattern(root, &Want::default()) {
            Ok(at) => generator.case.roots.push(at),
            Err(why) => {
                failed = Some(why);
                break;
            }
        }
    }
    let Generator { case, draw, .. } = generator;
    (failed.map_or(Ok(case), Err), draw)
}

/// Whether kernels stand on either side of a rule.
fn kernels(rule: &Rule) -> bool {
    fn left(pattern: &Pattern) -> bool {
        match pattern {
            Pattern::Bind(_, inner) => left(inner),
            Pattern::Acc => true,
            Pattern::Op(call) => {
                matches!(call.op, OpMatch::One(op) if op.name == "Fused")
                    || call.args.iter().any(|a| matches!(a, ArgPattern::One(p) if left(p)))
            }
            _ => false,
        }
    }
    fn right(expr: &qcc_dsl::Expr) -> bool {
        match expr {
            qcc_dsl::Expr::Op(call) => {
                matches!(call.op, qcc_dsl::OpRef::One(op) if op.name == "Fused")
                    || call.args.iter().any(|a| matches!(a, qcc_dsl::ArgExpr::One(e) if right(e)))
            }
            _ => false,
        }
    }
    rule.roots.iter().any(left) || rule.results.iter().any(right)
}

impl Generator<'_, '_> {
    fn pin(&self, var: VarId) -> Pin {
        self.pins.tensors.get(&var).cloned().unwrap_or_default()
    }

    fn bind(&mut self, var: VarId, bound: Bound) {
        self.bound[var.0 as usize] = Some(bound);
    }

    fn value_of(&self, var: VarId) -> Option<&Bound> {
        self.bound[var.0 as usize].as_ref()
    }

    /// A node that matches a pattern.
    fn pattern(&mut self, pattern: &Pattern, want: &Want) -> Result<usize, String> {
        match pattern {
            Pattern::Wild => Ok(self.leaf(want, &Pin::default())),
            Pattern::Var(var) => match self.value_of(*var) {
                Some(Bound::Value(at)) => Ok(*at),
                Some(_) => Err("a variable that is no value".into()),
                None => {
                    let pin = self.pin(*var);
                    let at = match &self.acc {
                        // Parameters of operators stay leaves; what is computed in a body is a term over the accumulator.
                        Some(acc) if want.content == Content::Any && pin.constant.is_none() && !pin.closed => {
                            let acc = acc.clone();
                            let own = Want {
                                dtypes: pin.dtype.map_or_else(|| want.dtypes.clone(), |d| vec![d]),
                                ..want.clone()
                            };
                            body::body(self, acc, &own)
                        }
                        _ => self.leaf(want, &pin),
                    };
                    self.bind(*var, Bound::Value(at));
                    Ok(at)
                }
            },
            Pattern::Bind(var, inner) => {
                let pin = self.pin(*var);
                let mut want = want.clone();
                want.dtypes = pin.dtype.map_or(want.dtypes, |d| vec![d]);
                want.shape = pin.shape.or(want.shape);
                want.ranks = pin.rank.map_or(want.ranks, |r| (r, r));
                want.constant = pin.constant.or(want.constant);
                let at = self.pattern(inner, &want)?;
                self.bind(*var, Bound::Value(at));
                Ok(at)
            }
            Pattern::Number(number) => {
                let dtype = want.dtype(&mut self.draw);
                let shape = want.shape.clone().unwrap_or_default();
                let n = shape.iter().product();
                Ok(self.case.push(Term::Const(Tensor::from_f64(dtype, shape, &vec![*number; n]))))
            }
            Pattern::Acc => {
                let ty = match (&self.acc, &self.case.outer) {
                    (Some(ty), _) | (None, Some(ty)) => ty.clone(),
                    (None, None) => self.outer(want),
                };
                Ok(self.case.push(Term::Acc(ty)))
            }
            Pattern::Op(call) => self.call(call, want),
        }
    }

    /// Type of the accumulator of a kernel around the case.
    fn outer(&mut self, want: &Want) -> TensorType {
        let ty = TensorType::new(want.dtype(&mut self.draw), want.draw_shape(&mut self.draw));
        self.case.outer.get_or_insert(ty).clone()
    }

    /// An input, a constant, or the accumulator of a kernel around the case.
    pub(crate) fn leaf(&mut self, want: &Want, pin: &Pin) -> usize {
        let dtype = pin.dtype.unwrap_or_else(|| want.dtype(&mut self.draw));
        let mut shape = pin.shape.clone().unwrap_or_else(|| {
            let ranks = pin.rank.map_or(want.ranks, |r| (r, r));
            let shape = want.shape.clone().filter(|s| pin.rank.is_none_or(|r| r == s.len()));
            Want { shape, ranks, ..want.clone() }.draw_shape(&mut self.draw)
        });
        if let Some(n) = pin.elements
            && shape.iter().product::<usize>() != n
        {
            shape = self.of_elements(n, &shape, pin.rank);
        }
        let ty = TensorType::new(dtype, shape);
        let content = pin.value.clone().map_or_else(|| want.content.clone(), Content::List);
        let constant = pin.constant.or(want.constant);
        if self.inside && !pin.closed && constant != Some(true) && self.draw.rarely("accumulator", 3) {
            let outer = self.case.outer.get_or_insert_with(|| ty.clone());
            if *outer == ty {
                return self.case.push(Term::Acc(ty));
            }
        }
        if constant.unwrap_or_else(|| self.draw.pick("constant", 2) == 1) {
            let style = STYLES[self.draw.pick("style", STYLES.len())];
            let seed = self.draw.content("content");
            return self.case.push(Term::Const(fill(&ty, &content, style, seed)));
        }
        self.case.push(Term::Input(ty, content))
    }

    /// A shape with a number of elements, near to another one.
    fn of_elements(&mut self, n: usize, near: &[usize], rank: Option<usize>) -> Vec<usize> {
        let most = rank.unwrap_or(near.len().max(1));
        let rank = rank.unwrap_or_else(|| if n == 1 { self.draw.pick("axes", most + 1) } else { most });
        let mut shape = vec![1; rank];
        if rank > 0 {
            let at = self.draw.pick("where", rank);
            shape[at] = n;
        }
        shape
    }

    fn operator(&mut self, pattern: &OpPattern) -> Result<Op, String> {
        match &pattern.op {
            OpMatch::One(op) => Ok(*op),
            OpMatch::Class(var, ops) => match self.value_of(*var) {
                Some(Bound::Op(op)) => Ok(*op),
                _ => {
                    for attempt in 0..OPERATORS {
                        let op = ops[self.draw.pick(&format!("operator {attempt}"), ops.len())];
                        if op.outputs.len() == 1 && !matches!(op.name, "Fused" | "Acc" | "If") {
                            self.bind(*var, Bound::Op(op));
                            return Ok(op);
                        }
                    }
                    Err("no operator of the class is a plain one".into())
                }
            },
        }
    }

    fn call(&mut self, pattern: &OpPattern, want: &Want) -> Result<usize, String> {
        let op = self.operator(pattern)?;
        let place = self.draw.place();
        let fixed = self.fixed(op, pattern)?;
        let attrs: Attrs = fixed.iter().filter_map(|(n, v)| v.clone().map(|v| (n.clone(), v))).collect();
        let mut call =
            Partial { op, types: Vec::new(), values: Vec::new(), attrs, out: want, output: pattern.output, place };
        let mut args: Vec<Option<usize>> = Vec::new();
        let mut attributes = false;
        for arg in &pattern.args {
            let i = args.len();
            match arg {
                ArgPattern::One(inner) => {
                    let at = self.argument(&call, i, |g, want| g.pattern(inner, want), op)?;
                    self.add(&mut call, &mut args, Some(at));
                }
                ArgPattern::Optional(var) => {
                    let pin = self.pin(*var);
                    let bound = match self.value_of(*var) {
                        Some(Bound::Value(at)) => Some(Some(*at)),
                        Some(_) => Some(None),
                        None => None,
                    };
                    let at = match bound {
                        Some(at) => at,
                        None if pin.present.unwrap_or_else(|| self.present(place, i)) => {
                            Some(self.argument(&call, i, |g, want| Ok(g.leaf(want, &pin)), op)?)
                        }
                        None => None,
                    };
                    self.bind(*var, at.map_or(Bound::Absent, Bound::Value));
                    self.add(&mut call, &mut args, at);
                }
                ArgPattern::OptionalWild => {
                    let at = match self.present(place, i) {
                        true => Some(self.argument(&call, i, |g, want| Ok(g.leaf(want, &Pin::default())), op)?),
                        false => None,
                    };
                    self.add(&mut call, &mut args, at);
                }
                ArgPattern::Variadic(var) => {
                    let pin = self.pin(*var);
                    for i in i..self.values(op, i, &pin, place) {
                        let arity = op.inputs.get(i).map_or(Arity::One, |p| p.arity);
                        if arity == Arity::Optional && !self.present(place, i) {
                            self.add(&mut call, &mut args, None);
                            continue;
                        }
                        let at = self.argument(&call, i, |g, want| Ok(g.leaf(want, &pin)), op)?;
                        self.add(&mut call, &mut args, Some(at));
                        if !attributes {
                            attributes = true;
                            self.attributes(&mut call, &fixed);
                        }
                    }
                }
            }
            if !attributes {
                attributes = true;
                self.attributes(&mut call, &fixed);
            }
        }
        if !attributes {
            self.attributes(&mut call, &fixed);
        }
        let at = self.case.call(op, args, call.attrs, pattern.output).map_err(|e| format!("{op}: {e}"))?;
        self.remember(pattern, at);
        Ok(at)
    }

    fn add(&self, call: &mut Partial<'_>, args: &mut Vec<Option<usize>>, at: Option<usize>) {
        call.types.push(at.map(|at| self.case.ty(at).clone()));
        call.values.push(at.and_then(|at| self.case.value(at)).cloned());
        args.push(at);
    }

    fn present(&mut self, place: u64, i: usize) -> bool {
        self.draw.enter(place, i);
        let present = self.draw.pick("present", 2) == 1;
        self.draw.leave(place);
        present
    }

    /// How many arguments a call has whose last ones are variadic in the pattern.
    fn values(&mut self, op: Op, from: usize, pin: &Pin, place: u64) -> usize {
        let variadic = op.inputs.last().is_some_and(|p| p.arity == Arity::Variadic);
        if !variadic {
            return op.inputs.len();
        }
        self.draw.enter(place, from);
        let count = pin.count.unwrap_or_else(|| 1 + self.draw.pick("values", MOST_VALUES));
        self.draw.leave(place);
        from + count
    }

    /// Builds the argument at a position.
    fn argument(
        &mut self,
        call: &Partial<'_>,
        i: usize,
        build: impl FnOnce(&mut Self, &Want) -> Result<usize, String>,
        op: Op,
    ) -> Result<usize, String> {
        // The lists of a slice belong together: their wishes are decided at one place.
        if op.name != "Slice" {
            self.draw.enter(call.place, 100 + i);
        }
        let mut want = argument(call, i, &mut self.draw);
        if want.constant.is_none() && call.out.constant == Some(true) {
            want.constant = Some(true);
        }
        self.draw.enter(call.place, i);
        let outer = self.acc.clone();
        let built = if op.name == "Fused" && i == 0 {
            // The core is no part of any body.
            let inside = std::mem::replace(&mut self.inside, false);
            let core = Want { ranks: call.out.ranks, ..Want::default() };
            let built = build(self, &core);
            self.inside = inside;
            built
        } else if op.name == "Fused" {
            self.acc = call.types[0].clone();
            let inside = std::mem::replace(&mut self.inside, false);
            let built = build(self, call.out);
            self.inside = inside;
            built
        } else {
            build(self, &want)
        };
        self.acc = outer;
        self.draw.leave(call.place);
        built
    }

    /// Attributes that the pattern, an earlier binding, or a guard gives; `None` where one must be left out.
    fn fixed(&self, op: Op, pattern: &OpPattern) -> Result<Vec<(String, Option<AttrValue>)>, String> {
        let mut fixed = Vec::new();
        for def in op.attrs {
            let named = pattern.attrs.named.iter().find(|(n, _)| n == def.name).map(|(_, m)| m);
            let pinned = |var: VarId, name: &str| self.pins.attrs.get(&(var, name.to_string())).cloned();
            let value = match (named, pattern.attrs.rest) {
                (Some(AttrMatch::Value(AttrValue::Int(v))), _) if def.kind == AttrKind::Float => {
                    Some(Some(AttrValue::Float(*v as f32)))
                }
                (Some(AttrMatch::Value(value)), _) => Some(Some(value.clone())),
                (Some(AttrMatch::Var(var)), _) => match self.value_of(*var) {
                    Some(Bound::Attr(value)) => Some(value.clone()),
                    _ => pinned(*var, "").map(Some),
                },
                (None, AttrRest::Bind(var)) => match self.value_of(var) {
                    Some(Bound::Attrs(attrs)) => Some(attrs.get(def.name).cloned()),
                    _ => pinned(var, def.name).map(Some),
                },
                _ => None,
            };
            if let Some(value) = value {
                fixed.push((def.name.to_string(), value));
            }
        }
        Ok(fixed)
    }

    fn attributes(&mut self, call: &mut Partial<'_>, fixed: &[(String, Option<AttrValue>)]) {
        for def in in_order(call.op.attrs) {
            if fixed.iter().any(|(n, _)| n == def.name) {
                continue;
            }
            if let Some(value) = attribute(def, call, &mut self.draw) {
                call.attrs.set(def.name, value);
            }
        }
    }

    /// Binds the variables of a pattern's attributes to those that the call has in the end.
    fn remember(&mut self, pattern: &OpPattern, at: usize) {
        let Term::Call(call) = &self.case.terms[at] else { return };
        let attrs = call.attrs.clone();
        for (name, wanted) in &pattern.attrs.named {
            if let AttrMatch::Var(var) = wanted {
                self.bind(*var, Bound::Attr(attrs.get(name).cloned()));
            }
        }
        if let AttrRest::Bind(var) = pattern.attrs.rest {
            self.bind(var, Bound::Attrs(attrs));
        }
    }
}
