//! Finds the matches of a rule's left sides.
//!
//! Only classes that hold the operator at the head of a pattern are looked at. The first two inputs of a commutative
//! operator are tried both ways round, so nothing about commutativity is ever added to the e-graph.

use crate::analysis::{EGraph, Kind};
use crate::bindings::{Binding, Bindings, Matched};
use crate::furthest::{Furthest, Miss};
use crate::language::{Node, OpId};
use crate::tables::Call;
use egg::Id;
use qcc_dsl::{ArgPattern, AttrMatch, AttrRest, OpMatch, OpPattern, Pattern, Rule};
use qcc_ops::{Arity, AttrValue, Attrs, Op};
use std::cell::RefCell;
use std::rc::Rc;

/// A constant is compared with a number in a pattern if it has at most so many elements or is a constant of the model.
const NUMBER_ELEMENTS: usize = 4096;

/// A pattern and the class it must match.
#[derive(Clone, Copy)]
struct Goal<'a> {
    pattern: &'a Pattern,
    class: Id,
}

/// Goals that are still open: a slice and what comes after it.
struct Goals<'a> {
    now: &'a [Goal<'a>],
    then: Option<&'a Goals<'a>>,
}

/// What the search of one rule found.
#[derive(Default)]
pub(crate) struct Found {
    /// Matches whose guards are still to be evaluated.
    pub(crate) matches: Vec<Bindings>,
    /// How often each guard said no already.
    pub(crate) refused: Vec<usize>,
    /// Whether the budget cut the matches short.
    pub(crate) cut: bool,
}

/// The search of one rule.
pub(crate) struct Search<'a> {
    /// The e-graph, rebuilt.
    pub(crate) egraph: &'a EGraph,
    /// Operators whose first two inputs may be swapped.
    pub(crate) commutative: &'a [Op],
    /// Stop after so many matches.
    pub(crate) budget: usize,
    /// Whether matches keep the nodes they matched.
    pub(crate) trail: bool,
    /// Is told where matching fails, if somebody wants to know.
    pub(crate) watch: Option<&'a RefCell<Furthest>>,
}

impl<'a> Search<'a> {
    /// All matches with the first root in one of `first`, in order.
    pub(crate) fn run(&self, rule: &'a Rule, first: &[Id], all: &[Id]) -> Found {
        let mut found = Found { refused: vec![0; rule.guards.len()], ..Found::default() };
        let mut bindings = Bindings::new(rule.vars.len());
        self.root(rule, 0, first, all, &mut bindings, &mut found);
        found.cut = found.matches.len() >= self.budget;
        found
    }

    fn root(
        &self,
        rule: &'a Rule,
        index: usize,
        classes: &[Id],
        all: &[Id],
        bindings: &mut Bindings,
        found: &mut Found,
    ) {
        let Some(pattern) = rule.roots.get(index) else {
            let refusal = if self.watch.is_some() { None } else { early::refusal(self.egraph, rule, bindings) };
            if let Some(guard) = refusal {
                found.refused[guard] += 1;
            } else if !found.matches.last().is_some_and(|last| same(last, bindings)) {
                found.matches.push(bindings.clone());
            }
            return;
        };
        for &class in classes {
            if found.matches.len() >= self.budget {
                return;
            }
            bindings.roots.push(class);
            let goals = Goals { now: &[Goal { pattern, class }], then: None };
            self.solve(&goals, bindings, &mut |bindings| {
                self.root(rule, index + 1, all, all, bindings, found);
                found.matches.len() < self.budget
            });
            bindings.roots.pop();
        }
    }

    /// Nodes of a class that a call may match, with the operator. Outputs of a tuple are looked at through their tuple.
    fn nodes<'s>(&'s self, pattern: &'s OpPattern, class: Id) -> impl Iterator<Item = (&'s Node, Call)> + 's {
        let egraph = self.egraph;
        egraph[class].iter().flat_map(move |node| {
            let direct = match node.op {
                OpId::Call(_) if pattern.output == 0 => Some(node),
                _ => None,
            };
            let tuple = match node.op {
                OpId::Proj(i) if i == pattern.output => Some(node.children[0]),
                _ => None,
            };
            let through = tuple.into_iter().flat_map(move |t| egraph[t].iter());
            direct.into_iter().chain(through).filter_map(move |node| {
                let OpId::Call(index) = node.op else { return None };
                let call = egraph.analysis.tables.get_call(index);
                let fits = match &pattern.op {
                    OpMatch::One(op) => *op == call.op,
                    OpMatch::Class(_, ops) => ops.contains(&call.op),
                };
                // A term that equals one of its own operands has no form that the operand lacks, but rules that move a
                // function into a kernel would move it again and again.
                let loops = fits && call.op.name != "Fused" && node.inputs().iter().any(|&c| egraph.find(c) == class);
                (fits && call.regions.is_none() && !loops).then_some((node, call))
            })
        })
    }

    /// Calls `done` for every way to reach the goals; returns whether to go on searching.
    fn solve(&self, goals: &Goals<'_>, bindings: &mut Bindings, done: &mut dyn FnMut(&mut Bindings) -> bool) -> bool {
        let Some((goal, rest)) = goals.now.split_first() else {
            return match goals.then {
                Some(then) => self.solve(then, bindings, done),
                None => done(bindings),
            };
        };
        let next = Goals { now: rest, then: goals.then };
        let class = self.egraph.find(goal.class);
        match goal.pattern {
            Pattern::Wild => self.solve(&next, bindings, done),
            Pattern::Var(var) => self.bind(*var, Binding::Value(class), bindings, |b| self.solve(&next, b, done)),
            Pattern::Bind(var, inner) => {
                let inner = [Goal { pattern: inner, class }];
                let goals = Goals { now: &inner, then: Some(&next) };
                self.bind(*var, Binding::Value(class), bindings, |b| self.solve(&goals, b, done))
            }
            Pattern::Number(number) => {
                if self.is_number(class, *number) {
                    return self.solve(&next, bindings, done);
                }
                self.missed(bindings, || Miss::Number { class, wanted: *number });
                true
            }
            Pattern::Acc => {
                if !self.has_acc(class) {
                    self.missed(bindings, || Miss::Accumulator { class });
                    return true;
                }
                let before = bindings.acc;
                bindings.acc = before.or(Some(class));
                let go_on = self.solve(&next, bindings, done);
                bindings.acc = before;
                go_on
            }
            Pattern::Op(pattern) => {
                let mut any = false;
                for (node, call) in self.nodes(pattern, class) {
                    any = true;
                    if !self.call(pattern, (class, node, call), &next, bindings, done) {
                        return false;
                    }
                }
                if !any {
                    self.missed(bindings, || Miss::Operator { class, wanted: heads_of(pattern) });
                }
                true
            }
        }
    }

    /// Binds a variable for the time of `then`; a bound one must agree.
    fn bind(
        &self,
        var: qcc_dsl::VarId,
        binding: Binding,
        bindings: &mut Bindings,
        then: impl FnOnce(&mut Bindings) -> bool,
    ) -> bool {
        match bindings.get(var) {
            Some(old) if *old == binding => then(bindings),
            Some(_) => {
                self.missed(bindings, || Miss::Other { var, found: binding });
                true
            }
            None => {
                bindings.set(var, Some(binding));
                let go_on = then(bindings);
                bindings.set(var, None);
                go_on
            }
        }
    }

    fn call(
        &self,
        pattern: &OpPattern,
        (class, node, call): (Id, &Node, Call),
        next: &Goals<'_>,
        bindings: &mut Bindings,
        done: &mut dyn FnMut(&mut Bindings) -> bool,
    ) -> bool {
        let mut inputs: Vec<Option<Id>> = node
            .inputs()
            .iter()
            .map(|&c| (self.egraph[c].data.kind != Kind::Absent).then(|| self.egraph.find(c)))
            .collect();
        let Some(&attrs) = node.children.last() else { return true };
        let Kind::Attrs(attrs) = self.egraph[attrs].data.kind else { return true };
        let attrs = self.egraph.analysis.tables.get_attrs(attrs);
        let depth = bindings.trail.len();
        if self.trail {
            bindings.trail.push(Matched { class, node: node.clone(), swapped: false });
        }
        let mut with_op = |bindings: &mut Bindings| {
            self.attributes(pattern, attrs, 0, bindings, &mut |bindings| {
                if !self.arguments(&pattern.args, &inputs, next, bindings, done) {
                    return false;
                }
                let pair = matches!(&pattern.args[..], [ArgPattern::One(_), ArgPattern::One(_), ..]);
                if pair && inputs.len() == 2 && inputs[0] != inputs[1] && self.commutative.contains(&call.op) {
                    inputs.swap(0, 1);
                    bindings.turn(depth);
                    let go_on = self.arguments(&pattern.args, &inputs, next, bindings, done);
                    bindings.turn(depth);
                    inputs.swap(0, 1);
                    return go_on;
                }
                true
            })
        };
        let go_on = match &pattern.op {
            OpMatch::One(_) => with_op(bindings),
            OpMatch::Class(var, _) => self.bind(*var, Binding::Op(call.op), bindings, with_op),
        };
        bindings.trail.truncate(depth);
        go_on
    }

    /// Tells the observer, if there is one, that matching does not go on here.
    fn missed(&self, bindings: &Bindings, miss: impl FnOnce() -> Miss) {
        if let Some(watch) = self.watch {
            watch.borrow_mut().see(bindings, miss);
        }
    }

    fn attributes(
        &self,
        pattern: &OpPattern,
        attrs: &Rc<Attrs>,
        index: usize,
        bindings: &mut Bindings,
        then: &mut dyn FnMut(&mut Bindings) -> bool,
    ) -> bool {
        if let Some((name, wanted)) = pattern.attrs.named.get(index) {
            let value = attrs.get(name);
            return match wanted {
                AttrMatch::Ignore => self.attributes(pattern, attrs, index + 1, bindings, then),
                AttrMatch::Value(wanted) if value.is_some_and(|v| equal(v, wanted)) => {
                    self.attributes(pattern, attrs, index + 1, bindings, then)
                }
                AttrMatch::Value(wanted) => {
                    let (name, wanted, found) = (name.clone(), wanted.clone(), value.cloned());
                    self.missed(bindings, || Miss::Attribute { name, wanted, found });
                    true
                }
                AttrMatch::Var(var) => self.bind(*var, Binding::Attr(value.cloned()), bindings, |b| {
                    self.attributes(pattern, attrs, index + 1, b, then)
                }),
            };
        }
        match pattern.attrs.rest {
            AttrRest::None | AttrRest::Ignore => then(bindings),
            AttrRest::Bind(var) => {
                let named = |name: &str| pattern.attrs.named.iter().any(|(n, _)| n == name);
                let rest = match pattern.attrs.named.is_empty() {
                    true => attrs.clone(),
                    false => {
                        let rest = attrs.iter().filter(|(n, _)| !named(n)).map(|(n, v)| (n.to_string(), v.clone()));
                        Rc::new(rest.collect())
                    }
                };
                self.bind(var, Binding::Attrs(rest), bindings, |b| then(b))
            }
        }
    }

    fn arguments(
        &self,
        patterns: &[ArgPattern],
        inputs: &[Option<Id>],
        next: &Goals<'_>,
        bindings: &mut Bindings,
        done: &mut dyn FnMut(&mut Bindings) -> bool,
    ) -> bool {
        let variadic = matches!(patterns.last(), Some(ArgPattern::Variadic(_)));
        if !variadic && inputs.iter().skip(patterns.len()).any(Option::is_some) {
            self.missed(bindings, || Miss::ExtraInput { position: patterns.len() });
            return true;
        }
        let mut goals: Vec<Goal<'_>> = Vec::new();
        let mut bound = Vec::new();
        let mut fits = true;
        for (i, pattern) in patterns.iter().enumerate() {
            let input = inputs.get(i).copied().flatten();
            let (var, binding) = match (pattern, input) {
                (ArgPattern::One(pattern), Some(class)) => {
                    goals.push(Goal { pattern, class });
                    continue;
                }
                (ArgPattern::One(_), None) => {
                    self.missed(bindings, || Miss::AbsentInput { position: i });
                    fits = false;
                    break;
                }
                (ArgPattern::OptionalWild, _) => continue,
                (ArgPattern::Optional(var), Some(class)) => (*var, Binding::Value(class)),
                (ArgPattern::Optional(var), None) => (*var, Binding::Absent),
                (ArgPattern::Variadic(var), _) => {
                    (*var, Binding::Many(inputs.get(i..).map_or(Vec::new(), <[_]>::to_vec)))
                }
            };
            match bindings.get(var) {
                Some(old) if *old == binding => {}
                Some(_) => {
                    self.missed(bindings, || Miss::Other { var, found: binding });
                    fits = false;
                    break;
                }
                None => {
                    bindings.set(var, Some(binding));
                    bound.push(var);
                }
            }
        }
        let go_on = !fits || self.solve(&Goals { now: &goals, then: Some(next) }, bindings, done);
        for var in bound {
            bindings.set(var, None);
        }
        go_on
    }

    fn is_number(&self, class: Id, number: f64) -> bool {
        let class = &self.egraph[class];
        let tables = &self.egraph.analysis.tables;
        let stored = class.iter().find_map(|n| match n.op {
            OpId::Const(c) => Some(tables.get_constant(c)),
            _ => None,
        });
        let Some(value) = class.data.value.as_ref().or(stored) else { return false };
        value.elements() > 0
            && value.elements() <= NUMBER_ELEMENTS
            && value.to_f64_vec().iter().all(|&v| v == number || v as f32 == number as f32)
    }

    fn has_acc(&self, class: Id) -> bool {
        self.egraph[class].iter().any(|n| match n.op {
            OpId::Call(c) => self.egraph.analysis.tables.get_call(c).op.name == "Acc",
            _ => false,
        })
    }
}

fn same(a: &Bindings, b: &Bindings) -> bool {
    a.roots == b.roots && a.acc == b.acc && a.all().eq(b.all())
}

fn equal(value: &AttrValue, wanted: &AttrValue) -> bool {
    match (value, wanted) {
        (AttrValue::Float(a), AttrValue::Int(b)) => f64::from(*a) == *b as f64,
        (AttrValue::Float(a), AttrValue::Float(b)) => a == b,
        (a, b) => a == b,
    }
}

/// How many levels of classes below its root a pattern looks at.
pub(crate) fn depth(pattern: &Pattern) -> usize {
    match pattern {
        Pattern::Bind(_, inner) => depth(inner),
        Pattern::Op(op) => {
            let below = op.args.iter().map(|a| match a {
                ArgPattern::One(p) => depth(p),
                _ => 0,
            });
            let ops = match &op.op {
                OpMatch::One(op) => std::slice::from_ref(op),
                OpMatch::Class(_, ops) => ops,
            };
            // Outputs of a tuple stand one level above their call.
            let tuple = ops.iter().any(|op| op.outputs.len() != 1 || op.outputs[0].arity != Arity::One);
            1 + usize::from(tuple) + below.max().unwrap_or(0)
        }
        _ => 0,
    }
}

fn heads_of(pattern: &OpPattern) -> Vec<Op> {
    match &pattern.op {
        OpMatch::One(op) => vec![*op],
        OpMatch::Class(_, ops) => ops.clone(),
    }
}

/// Operators at the head of a pattern; `None` if it matches anything.
pub(crate) fn heads(pattern: &Pattern) -> Option<Vec<Op>> {
    match pattern {
        Pattern::Bind(_, inner) => heads(inner),
        Pattern::Op(OpPattern { op: OpMatch::One(op), .. }) => Some(vec![*op]),
        Pattern::Op(OpPattern { op: OpMatch::Class(_, ops), .. }) => Some(ops.clone()),
        _ => None,
    }
}

mod early {
    //! Guards that need no computation, evaluated before a match is kept.

    use super::EGraph;
    use crate::bindings::{Binding, Bindings};
    use qcc_dsl::{Builtin, Meta, Rule};

    /// The first guard that says no, if it and all before it are of the simple kind.
    pub(super) fn refusal(egraph: &EGraph, rule: &Rule, bindings: &Bindings) -> Option<usize> {
        for (i, guard) in rule.guards.iter().enumerate() {
            if !holds(egraph, &guard.condition, bindings)? {
                return Some(i);
            }
        }
        None
    }

    /// `None` if the condition is not simple.
    fn holds(egraph: &EGraph, condition: &Meta, bindings: &Bindings) -> Option<bool> {
        match condition {
            Meta::Not(inner) => holds(egraph, inner, bindings).map(|b| !b),
            Meta::Call(Builtin::Const, args) => {
                let mut all = true;
                for arg in args {
                    let Meta::Var(var) = arg else { return None };
                    all &= match bindings.get(*var)? {
                        Binding::Value(id) => egraph[*id].data.constant.is_some(),
                        Binding::Absent => true,
                        Binding::Many(items) => items.iter().flatten().all(|&id| egraph[id].data.constant.is_some()),
                        _ => return None,
                    };
                }
                Some(all)
            }
            _ => None,
        }
    }
}
