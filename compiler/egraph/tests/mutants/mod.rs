//! Wrong versions of a rule: one small mistake each, of the kinds that people make.

use qcc_dsl::{
    ArgExpr, ArgPattern, AttrMatch, Builtin, Contract, Expr, Meta, MetaOp, OpMatch, OpPattern, OpRef, Pattern, Rule,
    VarId, VarKind,
};
use qcc_ops::{Arity, AttrValue, Default, Op};
use qcc_tensor::DType;

/// A wrong version of a rule with what was done to it.
pub struct Mutant {
    /// The mistake in words; unique for its rule.
    pub what: String,
    /// The rule.
    pub rule: Rule,
}

/// All mutants of a rule.
pub fn mutants(rule: &Rule) -> Vec<Mutant> {
    let mut found = Vec::new();
    guards(rule, &mut found);
    contracts(rule, &mut found);
    patterns(rule, &mut found);
    terms(rule, &mut found);
    computations(rule, &mut found);
    // The same words may describe mistakes in several places.
    let words: Vec<String> = found.iter().map(|m| m.what.clone()).collect();
    for i in 0..found.len() {
        let earlier = words[..i].iter().filter(|w| **w == words[i]).count();
        if earlier > 0 {
            found[i].what = format!("{} ({})", found[i].what, earlier + 1);
        }
    }
    found
}

fn guards(rule: &Rule, found: &mut Vec<Mutant>) {
    for i in 0..rule.guards.len() {
        let mut changed = rule.clone();
        let guard = changed.guards.remove(i);
        // The checker adds these to every rule that moves a value into a body: nobody writes or forgets them.
        if matches!(guard.condition, Meta::Call(Builtin::Closed, _)) {
            continue;
        }
        found.push(Mutant { what: format!("drop the guard \"{}\"", guard.reason), rule: changed });
    }
}

/// A stricter promise than the rule keeps. A weaker one is always kept.
fn contracts(rule: &Rule, found: &mut Vec<Mutant>) {
    let stricter = match rule.contract {
        Contract::Exact | Contract::Lossy(_) => return,
        Contract::Real { .. } => ("promise @exact", Contract::Exact),
        Contract::Lsb(_) => ("promise @exact", Contract::Exact),
    };
    found.push(Mutant { what: stricter.0.into(), rule: Rule { contract: stricter.1, ..rule.clone() } });
}

// Patterns.

fn each_call<'p>(pattern: &'p mut Pattern, f: &mut dyn FnMut(&mut OpPattern)) {
    match pattern {
        Pattern::Bind(_, inner) => each_call(inner, f),
        Pattern::Op(call) => {
            f(call);
            for arg in &mut call.args {
                if let ArgPattern::One(inner) = arg {
                    each_call(inner, f);
                }
            }
        }
        _ => {}
    }
}

/// The changes that can be made to one call of a pattern.
fn call_edits(call: &OpPattern, seen: &[VarId]) -> Vec<(String, OpPattern)> {
    let mut edits = Vec::new();
    let head = match &call.op {
        OpMatch::One(op) => op.name.to_string(),
        OpMatch::Class(..) => "a class".into(),
    };
    for (i, (name, wanted)) in call.attrs.named.iter().enumerate() {
        let AttrMatch::Value(value) = wanted else { continue };
        let with = |m: AttrMatch| {
            let mut changed = call.clone();
            changed.attrs.named[i].1 = m;
            changed
        };
        edits.push((format!("ignore `{name}` of {head}"), with(AttrMatch::Ignore)));
        if let AttrValue::Int(n) = value {
            let other = AttrValue::Int(if *n == 0 { 1 } else { 0 });
            edits.push((format!("another `{name}` of {head}"), with(AttrMatch::Value(other))));
        }
    }
    for (i, arg) in call.args.iter().enumerate() {
        let with = |a: ArgPattern| {
            let mut changed = call.clone();
            changed.args[i] = a;
            changed
        };
        match arg {
            ArgPattern::One(Pattern::Var(var)) if seen.contains(var) => {
                edits.push((
                    format!("input {i} of {head} need not be the same value"),
                    with(ArgPattern::One(Pattern::Wild)),
                ));
            }
            ArgPattern::Optional(var) if seen.contains(var) => {
                edits.push((format!("input {i} of {head} need not be the same value"), with(ArgPattern::OptionalWild)));
            }
            _ => {}
        }
    }
    if let OpMatch::One(op) = &call.op
        && op.inputs.get(call.args.len()).is_some_and(|p| p.arity == Arity::Optional)
        && !matches!(call.args.last(), Some(ArgPattern::Variadic(_)))
    {
        let mut changed = call.clone();
        changed.args.push(ArgPattern::OptionalWild);
        edits.push((format!("ignore input {} of {head}", call.args.len()), changed));
    }
    if let [ArgPattern::One(a @ Pattern::Var(_)), ArgPattern::One(b), ..] = &call.args[..]
        && a != b
        && !matches!(&call.op, OpMatch::One(op) if matches!(op.name, "Add" | "Mul"))
    {
        let mut changed = call.clone();
        changed.args.swap(0, 1);
        edits.push((format!("swap the first inputs of {head} on the left"), changed));
    }
    edits
}

fn patterns(rule: &Rule, found: &mut Vec<Mutant>) {
    let mut calls: Vec<(usize, OpPattern, Vec<VarId>)> = Vec::new();
    let mut seen: Vec<VarId> = Vec::new();
    let mut probe = rule.clone();
    let mut n = 0;
    for root in &mut probe.roots {
        each_call(root, &mut |call| {
            calls.push((n, call.clone(), seen.clone()));
            n += 1;
            for arg in &call.args {
                match arg {
                    ArgPattern::One(Pattern::Var(v)) | ArgPattern::Optional(v) => seen.push(*v),
                    _ => {}
                }
            }
        });
    }
    for (at, call, before) in calls {
        for (what, edited) in call_edits(&call, &before) {
            let mut changed = rule.clone();
            let mut n = 0;
            for root in &mut changed.roots {
                each_call(root, &mut |call| {
                    if n == at {
                        *call = edited.clone();
                    }
                    n += 1;
                });
            }
            found.push(Mutant { what, rule: changed });
        }
    }
}

// Terms.

fn each_term(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    f(expr);
    match expr {
        Expr::Reshape(inner, _) => each_term(inner, f),
        Expr::Op(call) => {
            for arg in &mut call.args {
                if let ArgExpr::One(inner) | ArgExpr::Each { body: inner, .. } = arg {
                    each_term(inner, f);
                }
            }
        }
        _ => {}
    }
}

fn all_terms(rule: &mut Rule, f: &mut dyn FnMut(&mut Expr)) {
    rule.results.iter_mut().for_each(|e| each_term(e, f));
    rule.lets.iter_mut().for_each(|l| each_term(&mut l.value, f));
}

fn term_edits(rule: &Rule, expr: &Expr) -> Vec<(String, Expr)> {
    let mut edits = Vec::new();
    match expr {
        Expr::Var(var) => {
            let own = &rule.vars[var.0 as usize];
            let others = rule.vars.iter().enumerate().filter(|(i, v)| *i != var.0 as usize && v.kind == own.kind);
            for (i, other) in
                others.filter(|(_, v)| matches!(v.kind, VarKind::Value | VarKind::Optional | VarKind::Let)).take(2)
            {
                edits.push((format!("`{}` instead of `{}`", other.name, own.name), Expr::Var(VarId(i as u32))));
            }
        }
        Expr::Reshape(inner, _) => edits.push(("no reshape".into(), (**inner).clone())),
        Expr::Op(call) => {
            let name = match call.op {
                OpRef::One(op) => op.name,
                OpRef::Var(_) => "the operator",
            };
            let with = |f: &dyn Fn(&mut qcc_dsl::OpExpr)| {
                let mut changed = call.clone();
                f(&mut changed);
                Expr::Op(changed)
            };
            let symmetric = matches!(name, "Add" | "Mul");
            for i in 1..call.args.len() {
                if !(symmetric && i == 1) && call.args[i - 1] != call.args[i] {
                    edits.push((format!("swap inputs {} and {i} of {name}", i - 1), with(&|c| c.args.swap(i - 1, i))));
                }
            }
            for (i, arg) in call.args.iter().enumerate() {
                if let ArgExpr::One(inner) = arg {
                    edits.push((format!("input {i} instead of {name}"), inner.clone()));
                    let optional = matches!(call.op, OpRef::One(op) if op.inputs.get(i).is_some_and(|p| p.arity == Arity::Optional));
                    if optional && *inner != Expr::Absent {
                        edits.push((
                            format!("drop input {i} of {name}"),
                            with(&|c| c.args[i] = ArgExpr::One(Expr::Absent)),
                        ));
                    }
                }
            }
            let other = match name {
                "Add" => Some("Sub"),
                "Sub" => Some("Add"),
                "Mul" => Some("Div"),
                "Div" => Some("Mul"),
                "MaxPool" => Some("AveragePool"),
                "AveragePool" => Some("MaxPool"),
                "Relu" => Some("Neg"),
                "Sqrt" => Some("Neg"),
                _ => None,
            };
            if let Some(op) = other.and_then(qcc_ops::find) {
                edits.push((format!("{} instead of {name}", op.name), with(&|c| c.op = OpRef::One(op))));
            }
            if call.attrs.base.is_some() {
                edits.push((format!("forget the other attributes of {name}"), with(&|c| c.attrs.base = None)));
            }
            for (i, (attr, value)) in call.attrs.set.iter().enumerate() {
                // What is left out has its default: the same rule in fewer words.
                if matches!(call.op, OpRef::One(op) if is_default(op, attr, value)) {
                    continue;
                }
                edits.push((format!("forget `{attr}` of {name}"), with(&|c| drop(c.attrs.set.remove(i)))));
            }
        }
        _ => {}
    }
    edits
}

/// Whether an attribute is written with the value that it has when it is left out.
fn is_default(op: Op, attr: &str, value: &Meta) -> bool {
    let Some(def) = op.attrs.iter().find(|d| d.name == attr) else { return false };
    match (value, def.default) {
        (Meta::Int(x), Default::Int(d)) => *x == d,
        (Meta::Float(x), Default::Float(d)) => *x as f32 == d,
        (Meta::Str(x), Default::Str(d)) => x == d,
        _ => false,
    }
}

fn terms(rule: &Rule, found: &mut Vec<Mutant>) {
    let mut sites: Vec<Expr> = Vec::new();
    all_terms(&mut rule.clone(), &mut |e| sites.push(e.clone()));
    for (at, site) in sites.iter().enumerate() {
        for (what, edited) in term_edits(rule, site) {
            let mut changed = rule.clone();
            let mut n = 0;
            // The edited term is not entered again: `n` would count its own parts.
            let mut done = false;
            all_terms(&mut changed, &mut |e| {
                if n == at && !done {
                    *e = edited.clone();
                    done = true;
                }
                n += 1;
            });
            found.push(Mutant { what, rule: changed });
        }
    }
}

// Compile-time computations.

fn each_meta(meta: &mut Meta, f: &mut dyn FnMut(&mut Meta)) {
    f(meta);
    match meta {
        Meta::List(items) | Meta::Call(_, items) => items.iter_mut().for_each(|m| each_meta(m, f)),
        Meta::Not(a) | Meta::Neg(a) => each_meta(a, f),
        Meta::Index(a, b) | Meta::Binary(_, a, b) => {
            each_meta(a, f);
            each_meta(b, f);
        }
        _ => {}
    }
}

fn all_metas(rule: &mut Rule, f: &mut dyn FnMut(&mut Meta)) {
    all_terms(rule, &mut |e| match e {
        Expr::Number(m) | Expr::Reshape(_, m) => each_meta(m, f),
        Expr::Constant { value, dtype } => {
            each_meta(value, f);
            each_meta(dtype, f);
        }
        Expr::Op(call) => call.attrs.set.iter_mut().for_each(|(_, m)| each_meta(m, f)),
        _ => {}
    });
    rule.guards.iter_mut().for_each(|g| each_meta(&mut g.condition, f));
}

fn meta_edits(meta: &Meta) -> Vec<(String, Meta)> {
    let mut edits: Vec<(String, Meta)> = Vec::new();
    match meta {
        Meta::Int(n) => {
            edits.push((format!("{} instead of {n}", n + 1), Meta::Int(n + 1)));
            edits.push((format!("{} instead of {n}", n - 1), Meta::Int(n - 1)));
        }
        Meta::Float(x) => edits.push((format!("{} instead of {x}", x + 1.0), Meta::Float(x + 1.0))),
        Meta::Str(s) => {
            let other = match s.as_str() {
                "NCHW" => "NHWC",
                "NHWC" => "NCHW",
                "constant" => "edge",
                _ => return edits,
            };
            edits.push((format!("{other:?} instead of {s:?}"), Meta::Str(other.into())));
        }
        Meta::DType(d) => {
            let other = match d {
                DType::I8 => DType::U8,
                DType::U8 => DType::I8,
                DType::I32 => DType::I8,
                DType::F32 => DType::F64,
                _ => DType::F32,
            };
            edits.push((format!("{other} instead of {d}"), Meta::DType(other)));
        }
        Meta::Not(inner) => edits.push(("without `not`".into(), (**inner).clone())),
        Meta::Binary(op, a, b) => {
            let other = match op {
                MetaOp::And => MetaOp::Or,
                MetaOp::Or => MetaOp::And,
                MetaOp::Eq => MetaOp::Ne,
                MetaOp::Ne => MetaOp::Eq,
                MetaOp::Lt => MetaOp::Le,
                MetaOp::Le => MetaOp::Lt,
                MetaOp::Gt => MetaOp::Ge,
                MetaOp::Ge => MetaOp::Gt,
                MetaOp::Add => MetaOp::Sub,
                MetaOp::Sub => MetaOp::Add,
                MetaOp::Mul => MetaOp::Add,
                MetaOp::Div => MetaOp::Mul,
                MetaOp::Mod => MetaOp::Add,
            };
            edits.push((format!("{other:?} instead of {op:?}"), Meta::Binary(other, a.clone(), b.clone())));
        }
        Meta::Call(builtin, args) => {
            let other = match builtin {
                Builtin::All => Some(Builtin::Any),
                Builtin::Absent => Some(Builtin::Present),
                Builtin::Present => Some(Builtin::Absent),
                Builtin::RangeLo => Some(Builtin::RangeHi),
                Builtin::RangeHi => Some(Builtin::RangeLo),
                Builtin::Lowest => Some(Builtin::Highest),
                Builtin::Highest => Some(Builtin::Lowest),
                Builtin::Rank => Some(Builtin::Elements),
                Builtin::Elements => Some(Builtin::Rank),
                _ => None,
            };
            if let Some(other) = other {
                edits.push((format!("{other:?} instead of {builtin:?}"), Meta::Call(other, args.clone())));
            }
            match (builtin, &args[..]) {
                (Builtin::Compose | Builtin::ConcatLists | Builtin::Permute, [a, b]) if a != b => {
                    edits.push((
                        format!("swap the arguments of {builtin:?}"),
                        Meta::Call(*builtin, vec![b.clone(), a.clone()]),
                    ));
                    edits.push((format!("only the first argument of {builtin:?}"), a.clone()));
                }
                (Builtin::Inverse | Builtin::Slice | Builtin::Sort, [first, ..]) => {
                    edits.push((format!("no {builtin:?}"), first.clone()));
                }
                _ => {}
            }
        }
        _ => {}
    }
    edits
}

fn computations(rule: &Rule, found: &mut Vec<Mutant>) {
    let mut sites: Vec<Meta> = Vec::new();
    all_metas(&mut rule.clone(), &mut |m| sites.push(m.clone()));
    for (at, site) in sites.iter().enumerate() {
        for (what, edited) in meta_edits(site) {
            let mut changed = rule.clone();
            let mut n = 0;
            let mut done = false;
            all_metas(&mut changed, &mut |m| {
                if n == at && !done {
                    *m = edited.clone();
                    done = true;
                }
                n += 1;
            });
            found.push(Mutant { what, rule: changed });
        }
    }
}
