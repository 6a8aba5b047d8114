//! The right side of a rule for one match: it is typed completely before anything is added to the e-graph.

use crate::analysis::{self, Data, EGraph, Kind, Scope};
use crate::bindings::{Binding, Bindings};
use crate::language::{Children, Node, OpId};
use crate::meta::{self, V};
use crate::tables::Call;
use crate::values;
use egg::{Id, Language};
use qcc_dsl::{ArgExpr, AttrExpr, Contract, Expr, Meta, OpExpr, OpRef, Rule, VarId};
use qcc_ops::{Arity, AttrKind, AttrValue, Attrs, Op};
use qcc_tensor::{DType, Tensor, TensorType};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Ids from here on are nodes that are planned and not in the e-graph yet.
pub(crate) const PLANNED: usize = 1 << 31;

/// A right side under construction.
pub(crate) struct Instance<'a> {
    /// The e-graph.
    pub(crate) egraph: &'a mut EGraph,
    /// The rule.
    pub(crate) rule: &'a Rule,
    /// The match.
    pub(crate) bindings: Bindings,
    nodes: Vec<(Node, Data)>,
    known: FxHashMap<Node, Id>,
    lets: BTreeMap<VarId, Option<Id>>,
    /// Whether a number, list or attribute of a right side could not be computed.
    pub(crate) incomputable: bool,
    /// Every node that was asked for, known or planned, if the history is kept.
    built: Option<Vec<(Id, Node)>>,
}

/// Where a term stands.
#[derive(Clone, Copy)]
struct Place {
    /// The accumulator there.
    acc: Option<Id>,
    /// How many bodies of kernels enclose it.
    bodies: u32,
}

impl<'a> Instance<'a> {
    /// Nothing planned yet.
    pub(crate) fn new(egraph: &'a mut EGraph, rule: &'a Rule, bindings: Bindings) -> Self {
        let (nodes, known, lets) = (Vec::new(), FxHashMap::default(), BTreeMap::new());
        let built = egraph.analysis.history.is_some().then(Vec::new);
        Self { egraph, rule, bindings, nodes, known, lets, incomputable: false, built }
    }

    /// Facts of a class or of a planned node.
    pub(crate) fn data(&self, id: Id) -> &Data {
        match usize::from(id).checked_sub(PLANNED) {
            Some(i) => &self.nodes[i].1,
            None => &self.egraph[id].data,
        }
    }

    /// A planned node.
    pub(crate) fn planned(&self, id: Id) -> Option<&Node> {
        usize::from(id).checked_sub(PLANNED).map(|i| &self.nodes[i].0)
    }

    /// Type of a tensor.
    pub(crate) fn ty(&self, id: Id) -> Result<&TensorType, String> {
        self.data(id).ty().ok_or_else(|| "it is no tensor".to_string())
    }

    /// Value of a constant, planned or not.
    pub(crate) fn value(&mut self, id: Id) -> Result<Tensor, String> {
        let Some(i) = usize::from(id).checked_sub(PLANNED) else { return values::value(self.egraph, id) };
        if let Some(value) = &self.nodes[i].1.value {
            return Ok(value.clone());
        }
        if self.nodes[i].1.constant.is_none() {
            return Err("it is no constant".into());
        }
        let node = self.nodes[i].0.clone();
        match node.op {
            OpId::Const(c) => Ok(self.egraph.analysis.tables.get_constant(c).clone()),
            OpId::Call(call) => {
                let call = self.egraph.analysis.tables.get_call(call);
                let mut args = Vec::new();
                for &child in node.inputs() {
                    let absent = self.data(child).kind == Kind::Absent;
                    args.push(if absent { None } else { Some(self.value(child)?) });
                }
                let args: Vec<Option<&Tensor>> = args.iter().map(Option::as_ref).collect();
                let attrs = self.attrs_of(&node)?;
                let outputs = call.op.eval(&args, &attrs, call.outputs as usize).map_err(|e| e.to_string())?;
                outputs.into_iter().next().ok_or_else(|| "it has no output".to_string())
            }
            _ => Err("it is no constant".into()),
        }
    }

    /// Attributes of a call.
    pub(crate) fn attrs_of(&self, node: &Node) -> Result<Attrs, String> {
        match node.children().last().map(|&c| &self.data(c).kind) {
            Some(Kind::Attrs(k)) => Ok(Attrs::clone(self.egraph.analysis.tables.get_attrs(*k))),
            _ => Err("a call without attributes".into()),
        }
    }

    /// The class or planned node of a `where` constant; `None` if it is absent.
    pub(crate) fn constant_of(&mut self, var: VarId) -> Result<Option<Id>, String> {
        if let Some(known) = self.lets.get(&var) {
            return Ok(*known);
        }
        let rule = self.rule;
        let term = rule.lets.iter().find(|l| l.var == var).ok_or("an unbound variable")?;
        let id = self.term(&term.value, Place { acc: self.bindings.acc, bodies: 0 }, None)?;
        if let Some(id) = id
            && self.data(id).constant.is_none()
        {
            let name = &rule.vars[var.0 as usize].name;
            return Err(format!("`{name}` is computed from run-time values"));
        }
        self.lets.insert(var, id);
        Ok(id)
    }

    /// The right side of a root. Its type must be that of the root.
    pub(crate) fn result(&mut self, index: usize) -> Result<Id, String> {
        let place = Place { acc: self.bindings.acc, bodies: 0 };
        let rule = self.rule;
        let root = self.bindings.roots[index];
        let id = self.term(&rule.results[index], place, None)?.ok_or("the right side is absent")?;
        let (left, right) = (&self.data(root).kind, &self.data(id).kind);
        if left != right {
            return Err(match (left, right) {
                (Kind::Tensor(l), Kind::Tensor(r)) => format!("the right side has type {r}, the left {l}"),
                _ => "the sides are not both tensors".into(),
            });
        }
        Ok(id)
    }

    /// A term; `None` if it is absent. `number` is the element type of a plain number here.
    fn term(&mut self, expr: &Expr, place: Place, number: Option<DType>) -> Result<Option<Id>, String> {
        match expr {
            Expr::Var(var) => self.variable(*var, place),
            Expr::Number(meta) => {
                let value = meta::number(&self.computed(meta)?)?;
                Ok(Some(self.constant(Tensor::from_f64(number.unwrap_or(DType::F32), [], &[value]))))
            }
            Expr::Constant { value, dtype } => {
                let V::DType(dtype) = self.computed(dtype)? else { return Err("not an element type".into()) };
                let tensor = match self.computed(value)? {
                    V::List(items) => {
                        let data: Vec<f64> = items.iter().map(meta::number).collect::<Result<_, _>>()?;
                        Tensor::from_f64(dtype, [data.len()], &data)
                    }
                    scalar => Tensor::from_f64(dtype, [], &[meta::number(&scalar)?]),
                };
                Ok(Some(self.constant(tensor)))
            }
            Expr::Reshape(inner, shape) => {
                let Some(inner) = self.term(inner, place, number)? else { return Ok(None) };
                let shape = meta::ints(&self.computed(shape)?)?;
                self.reshape(inner, &shape).map(Some)
            }
            Expr::Folded(var) => {
                let Some(id) = self.variable(*var, place)? else { return Ok(None) };
                if self.data(id).constant.is_none() {
                    return Err("it is no constant".into());
                }
                Ok(Some(id))
            }
            Expr::Acc => place.acc.map(Some).ok_or_else(|| "there is no accumulator here".into()),
            Expr::Absent => Ok(None),
            Expr::Op(call) => self.op(call, place),
        }
    }

    fn variable(&mut self, var: VarId, place: Place) -> Result<Option<Id>, String> {
        match self.bindings.get(var) {
            Some(Binding::Value(id)) => {
                let id = *id;
                self.check_scope(var, id, place)?;
                Ok(Some(id))
            }
            Some(Binding::Absent) => Ok(None),
            Some(_) => Err(format!("`{}` is no single value", self.rule.vars[var.0 as usize].name)),
            None => self.constant_of(var),
        }
    }

    /// A value that moves into or out of a kernel's body must not contain that body's accumulator.
    fn check_scope(&self, var: VarId, id: Id, place: Place) -> Result<(), String> {
        if self.data(id).scope == Scope::Closed || scope::bodies_of(self.rule, var).contains(&place.bodies) {
            return Ok(());
        }
        let name = &self.rule.vars[var.0 as usize].name;
        Err(format!("`{name}` depends on the accumulator of another kernel"))
    }

    fn op(&mut self, call: &OpExpr, place: Place) -> Result<Option<Id>, String> {
        let op = match call.op {
            OpRef::One(op) => op,
            OpRef::Var(var) => match self.bindings.get(var) {
                Some(Binding::Op(op)) => *op,
                _ => return Err("an unbound operator".into()),
            },
        };
        let mut args: Vec<Option<Id>> = Vec::new();
        let mut numbers: Vec<(usize, &Expr)> = Vec::new();
        for (i, arg) in call.args.iter().enumerate() {
            let mut place = place;
            if op.name == "Fused" && i == 1 {
                let core = args.first().copied().flatten().ok_or("a kernel without a core")?;
                place = Place { acc: Some(self.accumulator(core)?), bodies: place.bodies + 1 };
            }
            match arg {
                ArgExpr::One(expr @ Expr::Number(_)) => {
                    numbers.push((args.len(), expr));
                    args.push(None);
                }
                ArgExpr::One(expr) => {
                    let id = self.term(expr, place, None)?;
                    args.push(id);
                }
                ArgExpr::Spread(var) => {
                    let many = self.many(*var)?;
                    for id in many.iter().flatten() {
                        self.check_scope(*var, *id, place)?;
                    }
                    args.extend(many);
                }
                ArgExpr::Each { element, over, body } => {
                    for item in self.many(*over)? {
                        let id = match item {
                            Some(item) => {
                                self.bindings.set(*element, Some(Binding::Value(item)));
                                self.term(body, place, None)?
                            }
                            None => None,
                        };
                        args.push(id);
                    }
                    self.bindings.set(*element, None);
                }
            }
        }
        let typed = args.iter().flatten().find_map(|&id| self.data(id).ty().map(|t| t.dtype));
        for (position, expr) in numbers {
            args[position] = self.term(expr, place, typed)?;
        }
        // What is absent has no type that could change.
        if op.name == "Cast" && args == [None] {
            return Ok(None);
        }
        if let [a, b] = args[..]
            && (a.is_none() || b.is_none())
        {
            match (op.name, a, b) {
                ("Add", x, None) | ("Add", None, x) | ("Sub", x, None) => return Ok(x),
                ("Sub", None, Some(x)) => return self.call(neg()?, vec![Some(x)], Attrs::new(), 0).map(Some),
                _ => {}
            }
        }
        let attrs = self.attributes(op, &call.attrs)?;
        self.call(op, args, attrs, call.output).map(Some)
    }

    fn many(&self, var: VarId) -> Result<Vec<Option<Id>>, String> {
        match self.bindings.get(var) {
            Some(Binding::Many(items)) => Ok(items.clone()),
            _ => Err(format!("`{}` is no list of values", self.rule.vars[var.0 as usize].name)),
        }
    }

    fn attributes(&mut self, op: Op, expr: &AttrExpr) -> Result<Attrs, String> {
        let mut attrs = match expr.base.map(|var| self.bindings.get(var)) {
            Some(Some(Binding::Attrs(base))) => Attrs::clone(base),
            None => Attrs::new(),
            Some(_) => return Err("an unbound bundle of attributes".into()),
        };
        for (name, value) in &expr.set {
            let kind = op.attrs.iter().find(|d| d.name == name).map(|d| d.kind);
            let kind = kind.ok_or_else(|| format!("{op} has no attribute `{name}`"))?;
            match self.attribute(kind, value)? {
                Some(value) => attrs.set(name.clone(), value),
                None => {
                    attrs.remove(name);
                }
            }
        }
        Ok(attrs)
    }

    /// A number, list or attribute of a right side.
    fn computed(&mut self, meta: &Meta) -> Result<V, String> {
        let value = meta::eval(self, meta);
        self.incomputable |= value.is_err();
        value
    }

    fn attribute(&mut self, kind: AttrKind, value: &Meta) -> Result<Option<AttrValue>, String> {
        let value = self.computed(value)?;
        if value == V::NoAttribute {
            return Ok(None);
        }
        Ok(Some(match (kind, value) {
            (AttrKind::Int, v) => AttrValue::Int(meta::int(&v)?),
            (AttrKind::Float, v) => AttrValue::Float(meta::number(&v)? as f32),
            (AttrKind::Ints, v) => AttrValue::Ints(meta::ints(&v)?),
            (AttrKind::Floats, V::List(items)) => {
                AttrValue::Floats(items.iter().map(|v| meta::number(v).map(|x| x as f32)).collect::<Result<_, _>>()?)
            }
            (AttrKind::Str, V::Str(s)) => AttrValue::Str(s),
            (AttrKind::Type, V::DType(d)) => AttrValue::Type(d),
            (kind, v) => return Err(format!("an attribute must be {kind:?}, got {v:?}")),
        }))
    }

    /// A constant leaf.
    pub(crate) fn constant(&mut self, tensor: Tensor) -> Id {
        let data = Data::of_constant(&tensor);
        let index = self.egraph.analysis.tables.constant(tensor);
        self.node(Node::leaf(OpId::Const(index)), data)
    }

    fn accumulator(&mut self, core: Id) -> Result<Id, String> {
        let ty = self.ty(core)?.clone();
        let acc = qcc_ops::find("Acc").ok_or("this is a bug in qcc: no op `Acc`")?;
        let attrs: Attrs = [
            ("dtype", AttrValue::Type(ty.dtype)),
            ("shape", AttrValue::Ints(ty.shape.iter().map(|&d| d as i64).collect())),
        ]
        .into_iter()
        .collect();
        self.call(acc, Vec::new(), attrs, 0)
    }

    fn reshape(&mut self, x: Id, shape: &[i64]) -> Result<Id, String> {
        let now = self.ty(x)?;
        if now.shape.iter().map(|&d| d as i64).eq(shape.iter().copied()) {
            return Ok(x);
        }
        let target = self.constant(Tensor::new([shape.len()], shape.to_vec()));
        let op = qcc_ops::find("Reshape").ok_or("this is a bug in qcc: no op `Reshape`")?;
        self.call(op, vec![Some(x), Some(target)], Attrs::new().with("allowzero", AttrValue::Int(1)), 0)
    }

    /// A typed call and one of its outputs.
    fn call(&mut self, op: Op, mut args: Vec<Option<Id>>, attrs: Attrs, output: u32) -> Result<Id, String> {
        while args.last() == Some(&None) {
            args.pop();
        }
        let required = op.outputs.iter().filter(|p| p.arity == Arity::One).count() as u32;
        let parts = attrs.int("num_outputs").and_then(|n| u32::try_from(n).ok()).filter(|&n| n > output);
        let outputs = parts.unwrap_or(if output == 0 && required <= 1 { 1 } else { required.max(output + 1) });
        let call = Call { op, outputs, regions: None };
        let absent = Data::leaf(Kind::Absent);
        let inputs: Vec<&Data> = args.iter().map(|a| a.map_or(&absent, |id| self.data(id))).collect();
        let (types, attrs) = analysis::infer(call, &inputs, &attrs)?;
        let kind = match &types[..] {
            [ty] => Kind::Tensor(ty.clone()),
            _ => Kind::Tuple(types),
        };
        let data = analysis::of_call(call, &inputs, &attrs, &kind, None);
        let index = self.egraph.analysis.tables.call(call);
        let mut children: Children = Children::new();
        for arg in args {
            children.push(match arg {
                Some(id) => id,
                None => self.node(Node::leaf(OpId::Absent), Data::leaf(Kind::Absent)),
            });
        }
        let bundle = self.egraph.analysis.tables.attrs(&attrs);
        children.push(self.node(Node::leaf(OpId::Attrs(bundle)), Data::leaf(Kind::Attrs(bundle))));
        let call = self.node(Node { op: OpId::Call(index), children }, data);
        if outputs == 1 {
            return Ok(call);
        }
        let tuple = self.data(call);
        let Kind::Tuple(types) = &tuple.kind else { return Err("it has one output".into()) };
        let ty = types.get(output as usize).ok_or("an output that does not exist")?.clone();
        let data = analysis::projection(tuple, &Kind::Tensor(ty));
        Ok(self.node(Node { op: OpId::Proj(output), children: [call].into_iter().collect() }, data))
    }

    /// The class of a node if it is in the e-graph, else a planned node.
    fn node(&mut self, node: Node, data: Data) -> Id {
        let id = self.known_or_planned(node.clone(), data);
        if let Some(built) = &mut self.built {
            built.push((id, node));
        }
        id
    }

    fn known_or_planned(&mut self, node: Node, data: Data) -> Id {
        let real = node.children.iter().all(|&c| usize::from(c) < PLANNED);
        if real && let Some(id) = self.egraph.lookup(node.clone()) {
            return id;
        }
        if let Some(&id) = self.known.get(&node) {
            return id;
        }
        let id = Id::from(PLANNED + self.nodes.len());
        self.nodes.push((node.clone(), data));
        self.known.insert(node, id);
        id
    }

    /// The finished plan; the e-graph has not changed.
    pub(crate) fn finish(self, results: Vec<Id>) -> Plan {
        let lets = self.lets.into_values().flatten().collect();
        let folds = self.rule.results.iter().map(|e| matches!(e, Expr::Folded(_))).collect();
        let roots = self.bindings.roots.clone();
        let story = self.built.map(|built| Story { bindings: self.bindings, results: results.clone(), built });
        let lossy = matches!(self.rule.contract, Contract::Lossy(_));
        Plan { roots, results, folds, nodes: self.nodes, lets, lossy, story }
    }
}

/// What one application of a rule adds.
pub(crate) struct Plan {
    roots: Vec<Id>,
    results: Vec<Id>,
    /// Which results become constants of the chosen graph.
    folds: Vec<bool>,
    nodes: Vec<(Node, Data)>,
    /// `where` constants, which may become constants of the chosen graph.
    lets: Vec<Id>,
    /// Roots and results are equal within an error only.
    lossy: bool,
    /// What the history keeps of it.
    pub(crate) story: Option<Story>,
}

/// What the history keeps of an application.
pub(crate) struct Story {
    /// The match.
    pub(crate) bindings: Bindings,
    /// The right sides.
    pub(crate) results: Vec<Id>,
    /// All nodes of the right sides.
    pub(crate) built: Vec<(Id, Node)>,
}

impl Plan {
    /// Whether the e-graph knows all of it.
    pub(crate) fn is_known(&self, egraph: &EGraph) -> bool {
        if !self.nodes.is_empty() {
            return false;
        }
        let equal = self.roots.iter().zip(&self.results).all(|(a, b)| egraph.find(*a) == egraph.find(*b));
        let folded = self.folds.iter().zip(&self.results).all(|(fold, id)| !fold || is_folded(egraph, *id));
        equal && folded && self.lets.iter().all(|id| is_folded(egraph, *id))
    }

    /// Adds it and merges each root with its result. Returns whether the e-graph changed.
    pub(crate) fn commit(self, egraph: &mut EGraph) -> bool {
        let before = egraph.total_size();
        let mut added: Vec<Id> = Vec::with_capacity(self.nodes.len());
        let real = |id: Id, added: &[Id]| match usize::from(id).checked_sub(PLANNED) {
            Some(i) => added[i],
            None => id,
        };
        for (node, data) in self.nodes {
            let node = node.map_children(|c| real(c, &added));
            let id = add(egraph, node, data);
            added.push(id);
        }
        let mut changed = egraph.total_size() != before;
        for constant in self.lets {
            changed |= fold(egraph, real(constant, &added));
        }
        for ((folded, root), result) in self.folds.into_iter().zip(self.roots).zip(self.results) {
            let result = real(result, &added);
            if folded {
                changed |= fold(egraph, result);
            }
            if self.lossy && egraph.find(root) != egraph.find(result) {
                approximate(egraph, root, result);
            }
            changed |= egraph.union(root, result);
        }
        changed
    }
}

/// Prepares classes that are equal within an error only: what is known of one holds of both only as far as it holds of each.
fn approximate(egraph: &mut EGraph, a: Id, b: Id) {
    let range = egraph[a].data.range.hull(egraph[b].data.range);
    for id in [a, b] {
        let data = &mut egraph[id].data;
        data.range = range;
        data.approximate = true;
    }
}

fn is_folded(egraph: &EGraph, id: Id) -> bool {
    egraph[id].iter().any(|n| matches!(n.op, OpId::Const(_) | OpId::Folded(_)))
}

fn neg() -> Result<Op, String> {
    qcc_ops::find("Neg").ok_or_else(|| "this is a bug in qcc: no op `Neg`".into())
}

/// Adds a node with known facts.
pub(crate) fn add(egraph: &mut EGraph, node: Node, data: Data) -> Id {
    egraph.analysis.planned = Some(data);
    let id = egraph.add(node);
    egraph.analysis.planned = None;
    id
}

/// Lets a constant class be a constant of the chosen graph. Returns whether it could not be one before.
fn fold(egraph: &mut EGraph, id: Id) -> bool {
    let id = egraph.find(id);
    if is_folded(egraph, id) {
        return false;
    }
    let number = egraph.analysis.tables.folded.len() as u32;
    egraph.analysis.tables.folded.push(id);
    let data = egraph[id].data.clone();
    let leaf = add(egraph, Node::leaf(OpId::Folded(number)), data);
    egraph.union(id, leaf);
    true
}

mod scope {
    //! At which depth of kernel bodies the variables of a rule stand on its left side.

    use qcc_dsl::{ArgPattern, OpMatch, Pattern, Rule, VarId};

    /// Depths at which a variable stands.
    pub(super) fn bodies_of(rule: &Rule, var: VarId) -> Vec<u32> {
        let mut depths = Vec::new();
        for root in &rule.roots {
            visit(root, 0, var, &mut depths);
        }
        // The elements of a variadic variable stand where the variable stands.
        if depths.is_empty() { vec![0] } else { depths }
    }

    fn visit(pattern: &Pattern, depth: u32, var: VarId, depths: &mut Vec<u32>) {
        match pattern {
            Pattern::Var(v) if *v == var => depths.push(depth),
            Pattern::Bind(v, inner) => {
                if *v == var {
                    depths.push(depth);
                }
                visit(inner, depth, var, depths);
            }
            Pattern::Op(op) => {
                let fused = matches!(op.op, OpMatch::One(op) if op.name == "Fused");
                for (i, arg) in op.args.iter().enumerate() {
                    let depth = depth + u32::from(fused && i == 1);
                    match arg {
                        ArgPattern::One(p) => visit(p, depth, var, depths),
                        ArgPattern::Optional(v) | ArgPattern::Variadic(v) if *v == var => depths.push(depth),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}
