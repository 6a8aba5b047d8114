//! What the text of a `.rules` file says, before names mean anything.
//!
//! Patterns, right sides, conditions and the values of test graphs share one [`Term`]; resolution tells them apart by
//! where they stand.

use crate::CostBound;
use qcc_diag::Span;
use qcc_ops::AttrKind;
use qcc_tensor::DType;

/// A name with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Name {
    pub text: String,
    pub span: Span,
}

/// A file.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    /// Text of the `//!` lines.
    pub doc: String,
    pub module: Option<Name>,
    pub imports: Vec<Import>,
    pub classes: Vec<Class>,
    pub functions: Vec<Function>,
    pub defs: Vec<Def>,
    pub commutative: Vec<Name>,
    pub rules: Vec<Rule>,
    pub tests: Vec<Test>,
    pub schedules: Vec<Schedule>,
    pub costs: Vec<CostHint>,
    /// Names of rules that could not be read.
    pub unread: Vec<String>,
}

/// `import …`.
#[derive(Debug, Clone)]
pub(crate) enum Import {
    /// `import "other.rules"`.
    File(Name),
    /// `import onnx::*`.
    All(Name),
    /// `import onnx::{Conv, BatchNormalization as BN}`: operator and local name.
    Some(Name, Vec<(Name, Name)>),
}

/// `class pointwise-binary { Add, Sub }`; members are operators or classes.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub name: Name,
    pub members: Vec<Name>,
}

/// `fn f(x, y) = term` or `pred p(x) = term`.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    pub name: Name,
    pub parameters: Vec<Name>,
    pub body: Term,
}

/// `def domain::Name(x) { alpha: float = 1.0 } = term`.
#[derive(Debug, Clone)]
pub(crate) struct Def {
    pub doc: String,
    pub domain: Option<Name>,
    pub name: Name,
    pub parameters: Vec<Name>,
    pub attributes: Vec<DefAttr>,
    pub body: Term,
    pub span: Span,
}

/// A declared attribute.
#[derive(Debug, Clone)]
pub(crate) struct DefAttr {
    pub name: Name,
    pub kind: AttrKind,
    pub default: Option<Term>,
}

/// `cost Resize = 200 + 3 * elements`.
#[derive(Debug, Clone)]
pub(crate) struct CostHint {
    pub name: Name,
    pub work: Term,
}

/// `@lsb(1)`.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub name: Name,
    pub value: Option<ContractValue>,
    pub span: Span,
}

/// What stands in the parentheses of a contract.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ContractValue {
    Ulp(u32),
    Steps(u32),
    Reason(String),
}

/// A rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub name: Name,
    pub ruleset: Name,
    pub doc: String,
    pub contract: Option<Contract>,
    pub left: Vec<Side>,
    pub both_ways: bool,
    pub right: Vec<Side>,
    pub bindings: Vec<(Name, Term)>,
    pub guards: Vec<Guard>,
    pub span: Span,
}

/// One root: `y1 = term` or `term`.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub name: Option<Name>,
    pub term: Term,
}

/// `if a, b else "reason"`.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub conditions: Vec<Term>,
    pub reason: Option<String>,
    pub span: Span,
}

/// A term.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub kind: TermKind,
    pub span: Span,
}

/// What a term is.
#[derive(Debug, Clone)]
pub(crate) enum TermKind {
    Name(String),
    Wild,
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Term>),
    Call(Call),
    /// `name @ term`.
    Bind(Name, Box<Term>),
    /// `x: f32`.
    Typed(Name, DType),
    /// `term.name` or `term.0`.
    Field(Box<Term>, Name),
    Index(Box<Term>, Box<Term>),
    Neg(Box<Term>),
    Not(Box<Term>),
    Binary(Operator, Box<Term>, Box<Term>),
    /// `rand i8[4]`, `full[2](0.5)`, `i64 [1, 2]`.
    Tensor(Tensor),
    /// What could not be read; reported already.
    Error,
}

/// A constant of a test graph.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub content: Content,
}

/// What a constant of a test graph holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Random,
    RandomPositive,
    Values(Vec<f64>),
}

/// `callee(arguments) {attributes}`.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub callee: Name,
    /// `f:class(…)`.
    pub class: Option<ClassRef>,
    pub arguments: Vec<Argument>,
    pub attributes: Option<Attributes>,
}

/// A class by name, or its members in braces.
#[derive(Debug, Clone)]
pub(crate) enum ClassRef {
    Named(Name),
    Members(Vec<Name>),
}

/// An argument.
#[derive(Debug, Clone)]
pub(crate) enum Argument {
    One(Term),
    /// `b?`.
    Optional(Name),
    /// `_?`.
    OptionalWild(Span),
    /// `xs...`.
    Spread(Name),
    /// `map(x in xs: term)...`.
    Each {
        element: Name,
        over: Name,
        body: Term,
    },
}

/// `{ axis: k, ..a }`.
#[derive(Debug, Clone)]
pub(crate) struct Attributes {
    pub named: Vec<(Name, Term)>,
    pub rest: Option<Rest>,
    pub span: Span,
}

/// `..a` or `.._`.
#[derive(Debug, Clone)]
pub(crate) enum Rest {
    Bind(Name),
    Ignore(Span),
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub name: Name,
    pub steps: Vec<Step>,
}

/// A step of a schedule.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Saturate(Vec<Name>, Vec<(Name, u64)>),
    Run(Vec<Name>, Vec<(Name, u64)>),
    Repeat(u32, Vec<Step>),
}

/// A test.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub name: Name,
    pub inputs: Vec<(Name, DType, Vec<usize>)>,
    pub statements: Vec<(Vec<Name>, Term)>,
    pub outputs: Vec<Term>,
    pub expects: Vec<Expect>,
    pub span: Span,
}

/// An expectation.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    Fired(Name, Option<(Operator, u64)>, Span),
    Blocked(Name, Name, Span),
    Count(Name, Operator, u64, Span),
    Kernels(Operator, u64, Span),
    Cost(Operator, CostBound, Span),
    Snapshot(Span),
}

impl Term {
    /// All names in the term, bound ones included.
    pub(crate) fn names<'t>(&'t self, names: &mut Vec<&'t str>) {
        match &self.kind {
            TermKind::Name(name) => names.push(name),
            TermKind::Bind(name, inner) => {
                names.push(&name.text);
                inner.names(names);
            }
            TermKind::Typed(name, _) => names.push(&name.text),
            TermKind::List(items) => items.iter().for_each(|item| item.names(names)),
            TermKind::Field(inner, _) | TermKind::Neg(inner) | TermKind::Not(inner) => inner.names(names),
            TermKind::Index(a, b) | TermKind::Binary(_, a, b) => {
                a.names(names);
                b.names(names);
            }
            TermKind::Call(call) => {
                names.push(&call.callee.text);
                for argument in &call.arguments {
                    match argument {
                        Argument::One(term) => term.names(names),
                        Argument::Optional(name) | Argument::Spread(name) => names.push(&name.text),
                        Argument::Each { over, body, .. } => {
                            names.push(&over.text);
                            body.names(names);
                        }
                        Argument::OptionalWild(_) => {}
                    }
                }
                if let Some(attributes) = &call.attributes {
                    attributes.named.iter().for_each(|(_, term)| term.names(names));
                    if let Some(Rest::Bind(name)) = &attributes.rest {
                        names.push(&name.text);
                    }
                }
            }
            TermKind::Wild
            | TermKind::Int(_)
            | TermKind::Float(_)
            | TermKind::Str(_)
            | TermKind::Tensor(_)
            | TermKind::Error => {}
        }
    }
}
