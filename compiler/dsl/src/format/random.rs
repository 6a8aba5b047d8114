//! Random syntax trees and texts that spell them: the grammar's other direction, for tests.

use crate::CostBound;
use crate::ast::*;
use qcc_diag::{FileId, Span};
use qcc_ops::AttrKind;
use qcc_tensor::DType;

const SPAN: Span = Span { file: FileId(0), start: 0, end: 0 };
const NAMES: &[&str] = &["x", "y", "b", "w1", "Relu", "Conv", "foo_bar", "_xs", "rank", "acc", "i", "true", "limit"];
const KEBABS: &[&str] = &["fuse", "conv-bn", "a-b-c", "x1-2", "layout", "_w"];
const TEXTS: &[&str] = &["", "it is too long", "say \"no\"", "a\\b", "// no comment", "two\nlines", "é {"];
const DTYPES: &[DType] = &[DType::F32, DType::I8, DType::U8, DType::I64, DType::Bool];
const KINDS: &[(&str, AttrKind)] = &[
    ("int", AttrKind::Int),
    ("float", AttrKind::Float),
    ("ints", AttrKind::Ints),
    ("floats", AttrKind::Floats),
    ("string", AttrKind::Str),
    ("type", AttrKind::Type),
];
const OPERATORS: &[(Operator, &str, u8)] = &[
    (Operator::Or, "or", 1),
    (Operator::And, "and", 2),
    (Operator::Eq, "==", 4),
    (Operator::Ne, "!=", 4),
    (Operator::Lt, "<", 4),
    (Operator::Le, "<=", 4),
    (Operator::Gt, ">", 4),
    (Operator::Ge, ">=", 4),
    (Operator::Add, "+", 5),
    (Operator::Sub, "-", 5),
    (Operator::Mul, "*", 6),
    (Operator::Div, "/", 6),
    (Operator::Mod, "%", 6),
];

/// Reproducible numbers (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)) % n.max(1) as u64) as usize
    }

    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn one<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    fn some<T>(&mut self, least: usize, most: usize, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let n = least + self.below(most - least + 1);
        (0..n).map(|_| item(self)).collect()
    }

    fn name(&mut self) -> Name {
        Name { text: self.one(NAMES).to_string(), span: SPAN }
    }

    fn kebab(&mut self) -> Name {
        Name { text: self.one(KEBABS).to_string(), span: SPAN }
    }

    fn text(&mut self) -> Name {
        Name { text: self.one(TEXTS).to_string(), span: SPAN }
    }

    fn dtype(&mut self) -> DType {
        DTYPES[self.below(DTYPES.len())]
    }

    fn shape(&mut self) -> Vec<usize> {
        self.some(0, 4, |r| r.below(12))
    }

    fn term(&mut self, depth: usize) -> Term {
        let leaf = depth == 0;
        let kind = match self.below(if leaf { 8 } else { 20 }) {
            0..3 => TermKind::Name(self.name().text),
            3 => TermKind::Wild,
            4 => TermKind::Int([0, 1, 7, 100_000][self.below(4)]),
            5 => TermKind::Float([0.5, 1.0, 1e-7, 6.0][self.below(4)]),
            6 => TermKind::Str(self.text().text),
            7 => TermKind::Tensor(self.tensor()),
            8 => TermKind::List(self.some(0, 4, |r| r.term(depth - 1))),
            9 => TermKind::Bind(self.name(), Box::new(self.term(depth - 1))),
            10 => TermKind::Typed(self.name(), self.dtype()),
            11 => {
                let field = if self.once_in(2) { self.name().text } else { self.below(3).to_string() };
                TermKind::Field(Box::new(self.term(depth - 1)), Name { text: field, span: SPAN })
            }
            12 => TermKind::Index(Box::new(self.term(depth - 1)), Box::new(self.term(depth - 1))),
            13 => TermKind::Neg(Box::new(self.term(depth - 1))),
            14 => TermKind::Not(Box::new(self.term(depth - 1))),
            15 | 16 => {
                let (operator, ..) = OPERATORS[self.below(OPERATORS.len())];
                TermKind::Binary(operator, Box::new(self.term(depth - 1)), Box::new(self.term(depth - 1)))
            }
            _ => TermKind::Call(self.call(depth - 1)),
        };
        Term { kind, span: SPAN }
    }

    fn tensor(&mut self) -> Tensor {
        let (dtype, mut shape) = (self.dtype(), self.shape());
        let content = match self.below(3) {
            0 => Content::Random,
            1 => Content::RandomPositive,
            _ => {
                shape = self.some(0, 2, |r| 1 + r.below(3));
                let n = shape.iter().product();
                Content::Values((0..n).map(|_| [1.0, -2.0, 0.5, f64::INFINITY][self.below(4)]).collect())
            }
        };
        Tensor { dtype, shape, content }
    }

    fn call(&mut self, depth: usize) -> Call {
        let class = match self.below(6) {
            0 => Some(ClassRef::Named(self.kebab())),
            1 => Some(ClassRef::Members(self.some(1, 3, Self::name))),
            _ => None,
        };
        let arguments = self.some(0, 4, |r| match r.below(10) {
            0 => Argument::Optional(r.name()),
            1 => Argument::OptionalWild(SPAN),
            2 => Argument::Spread(r.name()),
            3 => Argument::Each { element: r.name(), over: r.name(), body: r.term(depth) },
            _ => Argument::One(r.term(depth)),
        });
        let attributes = self.once_in(2).then(|| {
            let named = self.some(0, 3, |r| (r.name(), r.term(depth)));
            let rest = match self.below(4) {
                0 => Some(Rest::Bind(self.name())),
                1 => Some(Rest::Ignore(SPAN)),
                _ => None,
            };
            Attributes { named, rest, span: SPAN }
        });
        Call { callee: self.name(), class, arguments, attributes }
    }

    fn rule(&mut self) -> Rule {
        let contract = self.once_in(2).then(|| {
            let (name, value) = match self.below(5) {
                0 => ("exact", None),
                1 => ("real", None),
                2 => ("real", Some(ContractValue::Ulp(16))),
                3 => ("lsb", Some(ContractValue::Steps(1))),
                _ => ("lossy", Some(ContractValue::Reason(self.text().text))),
            };
            Contract { name: Name { text: name.to_string(), span: SPAN }, value, span: SPAN }
        });
        let sides = |r: &mut Self| r.some(1, 2, |r| Side { name: r.once_in(3).then(|| r.name()), term: r.term(4) });
        let guard = |r: &mut Self| {
            let reason = r.once_in(2).then(|| r.text().text);
            Guard { conditions: r.some(1, 2, |r| r.term(3)), reason, span: SPAN }
        };
        Rule {
            name: self.kebab(),
            ruleset: self.kebab(),
            doc: self.some(0, 2, |r| format!("doc {}", r.below(100))).join("\n"),
            contract,
            left: sides(self),
            both_ways: self.once_in(4),
            right: sides(self),
            bindings: self.some(0, 2, |r| (r.name(), r.term(3))),
            guards: self.some(0, 3, guard),
            span: SPAN,
        }
    }

    fn test(&mut self) -> Test {
        let compare = |r: &mut Self| OPERATORS[2 + r.below(6)].0;
        Test {
            name: self.text(),
            inputs: self.some(0, 3, |r| (r.name(), r.dtype(), r.shape())),
            statements: self.some(0, 3, |r| (r.some(1, 2, Self::name), r.term(3))),
            outputs: self.some(1, 2, |r| r.term(3)),
            expects: self.some(0, 5, |r| match r.below(6) {
                0 => Expect::Fired(r.kebab(), r.once_in(2).then(|| (compare(r), r.below(5) as u64)), SPAN),
                1 => Expect::Blocked(r.kebab(), r.text(), SPAN),
                2 => Expect::Count(r.name(), compare(r), r.below(5) as u64, SPAN),
                3 => Expect::Kernels(compare(r), r.below(5) as u64, SPAN),
                4 => Expect::Cost(compare(r), r.cost_bound(), SPAN),
                _ => Expect::Snapshot(SPAN),
            }),
            span: SPAN,
        }
    }

    fn cost_bound(&mut self) -> CostBound {
        let number = self.below(100) as f64 / 4.0;
        match self.below(3) {
            0 => CostBound::Original(1.0),
            1 => CostBound::Original(number),
            _ => CostBound::Nanoseconds(number),
        }
    }

    fn step(&mut self, depth: usize) -> Step {
        let rulesets = self.some(1, 3, Self::kebab);
        let limits = self.some(0, 2, |r| (r.name(), r.below(1000) as u64));
        match self.below(3) {
            0 if depth > 0 => Step::Repeat(self.below(5) as u32, self.some(0, 2, |r| r.step(depth - 1))),
            1 => Step::Run(rulesets, limits),
            _ => Step::Saturate(rulesets, limits),
        }
    }

    /// A file that parses.
    pub(super) fn file(&mut self) -> File {
        File {
            doc: self.some(0, 2, |r| format!("about {}", r.below(100))).join("\n"),
            module: self.once_in(2).then(|| self.kebab()),
            imports: self.some(0, 3, |r| match r.below(3) {
                0 => Import::File(r.text()),
                1 => Import::All(r.name()),
                _ => Import::Some(r.name(), r.some(1, 4, |r| (r.name(), r.name()))),
            }),
            classes: self.some(0, 2, |r| Class { name: r.kebab(), members: r.some(1, 20, Self::kebab) }),
            functions: self.some(0, 2, |r| Function {
                name: r.name(),
                parameters: r.some(0, 3, Self::name),
                body: r.term(4),
            }),
            defs: self.some(0, 2, |r| Def {
                doc: String::new(),
                domain: r.once_in(2).then(|| r.name()),
                name: r.name(),
                parameters: r.some(0, 3, Self::name),
                attributes: r.some(0, 3, |r| DefAttr {
                    name: r.name(),
                    kind: KINDS[r.below(KINDS.len())].1,
                    default: r.once_in(2).then(|| r.term(1)),
                }),
                body: r.term(4),
                span: SPAN,
            }),
            commutative: self.some(0, 3, Self::name),
            rules: self.some(0, 2, Self::rule),
            tests: self.some(0, 2, Self::test),
            unread: Vec::new(),
            schedules: self.some(0, 1, |r| Schedule { name: r.kebab(), steps: r.some(0, 3, |r| r.step(2)) }),
            costs: self.some(0, 2, |r| CostHint { name: r.name(), work: r.term(3) }),
        }
    }
}

/// Spells a tree with random line breaks and comments between the tokens.
pub(super) struct Spelling<'r> {
    pub(super) out: String,
    /// The comments, in order.
    pub(super) comments: Vec<String>,
    random: &'r mut Random,
    /// One of so many gaps gets a comment or a line break; zero for none at all.
    noise: usize,
}

impl<'r> Spelling<'r> {
    /// Spells a file.
    pub(super) fn of(file: &File, random: &'r mut Random, noise: usize) -> Spelling<'r> {
        let mut spelling = Spelling { out: String::new(), comments: Vec::new(), random, noise };
        spelling.file(file);
        spelling
    }

    fn gap(&mut self) {
        if self.noise == 0 || !self.random.once_in(self.noise) {
            self.out.push(' ');
            return;
        }
        match self.random.below(6) {
            0 => self.out.push_str("\n\n\n "),
            1 => self.out.push('\n'),
            2 => self.out.push_str("\t  "),
            3 => self.comment("  // "),
            4 => self.comment("\n//"),
            _ => {
                self.comment("\n\n // ");
                self.comment("\n    // ");
            }
        }
    }

    fn comment(&mut self, start: &str) {
        let comment = format!("c{}", self.comments.len());
        self.out += &format!("{start}{comment} (\n");
        self.comments.push(format!("{}{comment} (", start.trim_start()));
    }

    fn put(&mut self, token: &str) {
        self.out.push_str(token);
        self.gap();
    }

    fn all(&mut self, tokens: &[&str]) {
        tokens.iter().for_each(|token| self.put(token));
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        for (i, x) in items.iter().enumerate() {
            if i > 0 {
                self.put(",");
            }
            item(self, x);
        }
    }

    fn names(&mut self, names: &[Name]) {
        self.list(names, |s, name| s.put(&name.text));
    }

    fn string(&mut self, text: &str) {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        self.put(&format!("\"{escaped}\""));
    }

    fn shape(&mut self, shape: &[usize]) {
        self.put("[");
        self.list(shape, |s, n| s.put(&n.to_string()));
        self.put("]");
    }

    /// A term; in parentheses if it binds looser than `least` (7: a sign's operand, 8: what an index stands behind).
    fn term(&mut self, term: &Term, least: u8) {
        let level = match &term.kind {
            TermKind::Binary(operator, ..) => spelled(*operator).1,
            TermKind::Not(_) => 3,
            TermKind::Neg(_) => 7,
            TermKind::Bind(..) | TermKind::Typed(..) | TermKind::Tensor(_) => 7,
            TermKind::Int(_) | TermKind::Float(_) => 8,
            _ => 9,
        };
        if level < least {
            self.put("(");
            self.term(term, 0);
            return self.put(")");
        }
        match &term.kind {
            TermKind::Name(name) => self.put(name),
            TermKind::Wild => self.put("_"),
            TermKind::Int(x) => self.put(&x.to_string()),
            TermKind::Float(x) => self.put(&format!("{x:?}")),
            TermKind::Str(x) => self.string(x),
            TermKind::List(items) => {
                self.put("[");
                self.list(items, |s, item| s.term(item, 0));
                self.put("]");
            }
            TermKind::Call(call) => self.call(call),
            TermKind::Bind(name, inner) => {
                self.all(&[&name.text, "@"]);
                // A name in front of the next item's contract would look like another binding.
                self.term(inner, if matches!(inner.kind, TermKind::Name(_)) { 10 } else { 8 });
            }
            TermKind::Typed(name, dtype) => self.all(&[&name.text, ":", &dtype.to_string()]),
            TermKind::Field(inner, name) => {
                self.term(inner, 9);
                self.put(&format!(".{}", name.text));
            }
            TermKind::Index(inner, index) => {
                self.term(inner, 9);
                self.put("[");
                self.term(index, 0);
                self.put("]");
            }
            TermKind::Neg(inner) => {
                self.put("-");
                self.term(inner, 7);
            }
            TermKind::Not(inner) => {
                self.put("not");
                self.term(inner, 3);
            }
            TermKind::Binary(operator, a, b) => {
                let (sign, level) = spelled(*operator);
                self.term(a, level);
                self.put(sign);
                self.term(b, level + 1);
            }
            TermKind::Tensor(tensor) => self.tensor(tensor),
            TermKind::Error => unreachable!("trees are made without errors"),
        }
    }

    fn tensor(&mut self, tensor: &Tensor) {
        match &tensor.content {
            Content::Values(values) => {
                self.put(&tensor.dtype.to_string());
                self.values(&tensor.shape, values);
            }
            random => {
                let positive = matches!(random, Content::RandomPositive);
                self.put(if positive { "rand_positive" } else { "rand" });
                self.put(&tensor.dtype.to_string());
                self.shape(&tensor.shape);
            }
        }
    }

    fn values(&mut self, shape: &[usize], values: &[f64]) {
        let Some((&n, inner)) = shape.split_first() else { return self.put(&format!("{:?}", values[0])) };
        self.put("[");
        let rows: Vec<&[f64]> = values.chunks(values.len() / n).collect();
        self.list(&rows, |s, row| s.values(inner, row));
        self.put("]");
    }

    fn call(&mut self, call: &Call) {
        self.put(&call.callee.text);
        match &call.class {
            None => {}
            Some(ClassRef::Named(name)) => self.all(&[":", &name.text]),
            Some(ClassRef::Members(members)) => {
                self.all(&[":", "{"]);
                self.names(members);
                self.put("}");
            }
        }
        self.put("(");
        self.list(&call.arguments, |s, argument| match argument {
            Argument::One(term) => s.term(term, 0),
            Argument::Optional(name) => s.all(&[&name.text, "?"]),
            Argument::OptionalWild(_) => s.all(&["_", "?"]),
            Argument::Spread(name) => s.all(&[&name.text, "..."]),
            Argument::Each { element, over, body } => {
                s.all(&["map", "(", &element.text, "in", &over.text, ":"]);
                s.term(body, 0);
                s.all(&[")", "..."]);
            }
        });
        if !call.arguments.is_empty() && self.random.once_in(5) {
            self.put(",");
        }
        self.put(")");
        let Some(attributes) = &call.attributes else { return };
        self.put("{");
        self.list(&attributes.named, |s, (name, value)| {
            s.all(&[&name.text, ":"]);
            s.term(value, 0);
        });
        if attributes.rest.is_some() && !attributes.named.is_empty() {
            self.put(",");
        }
        match &attributes.rest {
            None => {}
            Some(Rest::Bind(name)) => self.all(&["..", &name.text]),
            Some(Rest::Ignore(_)) => self.put(".._"),
        }
        self.put("}");
    }

    fn line(&mut self, line: &str) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out += &format!("{line}\n");
    }

    fn rule(&mut self, rule: &Rule) {
        rule.doc.lines().for_each(|line| self.line(&format!("/// {line}")));
        if let Some(contract) = &rule.contract {
            self.all(&["@", &contract.name.text]);
            if let Some(value) = &contract.value {
                self.put("(");
                match value {
                    ContractValue::Ulp(n) => self.all(&["ulp", "=", &n.to_string()]),
                    ContractValue::Steps(n) => self.put(&n.to_string()),
                    ContractValue::Reason(text) => self.string(text),
                }
                self.put(")");
            }
        }
        self.all(&["rule", &rule.name.text, "in", &rule.ruleset.text, ":"]);
        let side = |s: &mut Self, side: &Side| {
            if let Some(name) = &side.name {
                s.all(&[&name.text, "="]);
            }
            s.term(&side.term, 0);
        };
        let (mut bindings, mut guards) = (rule.bindings.as_slice(), rule.guards.as_slice());
        self.list(&rule.left, side);
        if self.random.once_in(4) {
            self.clauses(&mut bindings, &mut guards, 1);
        }
        self.put(if rule.both_ways { "<=>" } else { "=>" });
        self.list(&rule.right, side);
        self.clauses(&mut bindings, &mut guards, usize::MAX);
    }

    fn clauses(&mut self, bindings: &mut &[(Name, Term)], guards: &mut &[Guard], most: usize) {
        let mut written = 0;
        while written < most && !(bindings.is_empty() && guards.is_empty()) {
            written += 1;
            if !bindings.is_empty() && (guards.is_empty() || self.random.once_in(2)) {
                let n = 1 + self.random.below(bindings.len());
                let (now, later) = bindings.split_at(n);
                *bindings = later;
                self.put("where");
                self.list(now, |s, (name, value)| {
                    s.all(&[&name.text, "="]);
                    s.term(value, 0);
                });
                continue;
            }
            let Some((guard, later)) = guards.split_first() else { return };
            *guards = later;
            self.put("if");
            self.list(&guard.conditions, |s, condition| s.term(condition, 0));
            if let Some(reason) = &guard.reason {
                self.put("else");
                self.string(reason);
            }
        }
    }

    fn end(&mut self) {
        if self.random.once_in(3) {
            self.put(";");
        }
    }

    fn test(&mut self, test: &Test) {
        self.put("test");
        self.string(&test.name.text);
        self.all(&["{", "graph", "("]);
        self.list(&test.inputs, |s, (name, dtype, shape)| {
            s.all(&[&name.text, ":", &dtype.to_string()]);
            s.shape(shape);
        });
        self.all(&[")", "{"]);
        for (names, value) in &test.statements {
            self.names(names);
            self.put("=");
            self.term(value, 0);
            self.end();
        }
        self.put("return");
        self.list(&test.outputs, |s, output| s.term(output, 0));
        self.end();
        self.put("}");
        let mut expects = test.expects.as_slice();
        while !expects.is_empty() {
            let (now, later) = expects.split_at(1 + self.random.below(expects.len()));
            expects = later;
            self.put("expect");
            self.list(now, |s, expect| match expect {
                Expect::Fired(name, None, _) => s.all(&["fired", &name.text]),
                Expect::Fired(name, Some((operator, n)), _) => {
                    s.all(&["fired", &name.text, spelled(*operator).0, &n.to_string()]);
                }
                Expect::Blocked(name, reason, _) => {
                    s.all(&["blocked", &name.text]);
                    s.string(&reason.text);
                }
                Expect::Count(name, operator, n, _) => {
                    s.all(&["count", "(", &name.text, ")", spelled(*operator).0, &n.to_string()]);
                }
                Expect::Kernels(operator, n, _) => s.all(&["kernel", "count", spelled(*operator).0, &n.to_string()]),
                Expect::Cost(operator, bound, _) => {
                    s.all(&["cost", spelled(*operator).0]);
                    match bound {
                        CostBound::Nanoseconds(number) => s.put(&number.to_string()),
                        CostBound::Original(1.0) => s.put("original"),
                        CostBound::Original(share) => s.all(&[&share.to_string(), "*", "original"]),
                    }
                }
                Expect::Snapshot(_) => s.put("snapshot"),
            });
        }
        self.put("}");
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            let (strategy, rulesets, limits) = match step {
                Step::Saturate(rulesets, limits) => ("saturate", rulesets, limits),
                Step::Run(rulesets, limits) => ("run", rulesets, limits),
                Step::Repeat(n, inner) => {
                    self.all(&["repeat", &n.to_string(), "{"]);
                    self.steps(inner);
                    self.put("}");
                    self.end();
                    continue;
                }
            };
            self.all(&[strategy, "("]);
            self.names(rulesets);
            self.put(")");
            if !limits.is_empty() {
                self.all(&["limit", "{"]);
                self.list(limits, |s, (name, n)| s.all(&[&name.text, ":", &n.to_string()]));
                self.put("}");
            }
            self.end();
        }
    }

    fn import(&mut self, import: &Import) {
        self.put("import");
        match import {
            Import::File(path) => self.string(&path.text),
            Import::All(domain) => self.all(&[&domain.text, "::", "*"]),
            Import::Some(domain, list) => {
                self.all(&[&domain.text, "::", "{"]);
                self.list(list, |s, (name, local)| {
                    s.put(&name.text);
                    if name.text != local.text {
                        s.all(&["as", &local.text]);
                    }
                });
                self.put("}");
            }
        }
    }

    fn declared(&mut self, attributes: &[DefAttr]) {
        if attributes.is_empty() {
            return;
        }
        self.put("{");
        for (i, attr) in attributes.iter().enumerate() {
            if i > 0 {
                self.put(",");
            }
            let kind = KINDS.iter().find(|(_, kind)| *kind == attr.kind).map_or("", |(word, _)| word);
            self.all(&[&attr.name.text, ":", kind]);
            if let Some(default) = &attr.default {
                self.put("=");
                self.term(default, 0);
            }
        }
        self.put("}");
    }

    fn file(&mut self, file: &File) {
        file.doc.lines().for_each(|line| self.line(&format!("//! {line}")));
        if let Some(module) = &file.module {
            self.all(&["module", &module.text]);
        }
        file.imports.iter().for_each(|import| self.import(import));
        for class in &file.classes {
            self.all(&["class", &class.name.text, "{"]);
            self.names(&class.members);
            self.put("}");
        }
        for function in &file.functions {
            let keyword = if self.random.once_in(2) { "fn" } else { "pred" };
            self.all(&[keyword, &function.name.text, "("]);
            self.names(&function.parameters);
            self.all(&[")", "="]);
            self.term(&function.body, 0);
        }
        for def in &file.defs {
            self.put("def");
            if let Some(domain) = &def.domain {
                self.all(&[&domain.text, "::"]);
            }
            self.all(&[&def.name.text, "("]);
            self.names(&def.parameters);
            self.put(")");
            self.declared(&def.attributes);
            self.put("=");
            self.term(&def.body, 0);
        }
        for hint in &file.costs {
            self.all(&["cost", &hint.name.text, "="]);
            self.term(&hint.work, 0);
        }
        if !file.commutative.is_empty() {
            self.put("commutative");
            self.names(&file.commutative);
        }
        for i in 0..file.rules.len().max(file.tests.len()) {
            file.rules.get(i).into_iter().for_each(|rule| self.rule(rule));
            file.tests.get(i).into_iter().for_each(|test| self.test(test));
        }
        for schedule in &file.schedules {
            self.all(&["schedule", &schedule.name.text, "{"]);
            self.steps(&schedule.steps);
            self.put("}");
        }
    }
}

/// Spelling and level of an operator.
fn spelled(operator: Operator) -> (&'static str, u8) {
    OPERATORS.iter().find(|(o, ..)| *o == operator).map_or(("", 0), |(_, sign, level)| (*sign, *level))
}
