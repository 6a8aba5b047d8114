//! The product of this crate: checked, resolved rules, ready to be matched.
//!
//! Names are gone: operators are [`Op`]s, variables are [`VarId`]s, functions and predicates are expanded in place,
//! operator classes are lists. Nothing here can be unbound or of the wrong kind.

use indexmap::IndexMap;
use qcc_diag::{SourceMap, Span};
use qcc_ops::{AttrValue, Op};
use qcc_tensor::{DType, TensorType};

/// All rules of a compilation, in the order of the files and within a file of the text.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    /// The texts all spans point into.
    pub sources: SourceMap,
    /// Modules with their documentation, in order.
    pub modules: Vec<Module>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Binary operators whose first two inputs may be swapped by the matcher.
    pub commutative: Vec<Op>,
    /// Schedules by name; `default` is the one used unless told otherwise.
    pub schedules: IndexMap<String, Schedule>,
    /// Operators that are defined by others, in order.
    pub defs: Vec<crate::Def>,
    /// What operators cost, where the files say so.
    pub costs: Vec<CostHint>,
    /// Tests, in order.
    pub tests: Vec<Test>,
}

/// `cost Resize = 200 + 3 * elements`: the work of an operator in nanoseconds, in place of what the cost model takes it for.
/// What is read, written and started is added as for every operator.
#[derive(Debug, Clone, PartialEq)]
pub struct CostHint {
    /// The operator.
    pub op: Op,
    /// Nanoseconds.
    pub work: CostTerm,
    /// The name in the text.
    pub span: Span,
}

/// An expression over the sizes of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CostTerm {
    /// A number.
    Number(f64),
    /// Elements of the result.
    Elements,
    /// Bytes of the inputs that are not constants, and of the results.
    Bytes,
    /// Multiply-accumulates.
    Macs,
    /// The smaller one.
    Min(Box<CostTerm>, Box<CostTerm>),
    /// The larger one.
    Max(Box<CostTerm>, Box<CostTerm>),
    /// Arithmetic.
    Binary(MetaOp, Box<CostTerm>, Box<CostTerm>),
}

impl CostTerm {
    /// The value for the sizes of a call.
    pub fn value(&self, elements: f64, bytes: f64, macs: f64) -> f64 {
        let of = |term: &CostTerm| term.value(elements, bytes, macs);
        match self {
            Self::Number(x) => *x,
            Self::Elements => elements,
            Self::Bytes => bytes,
            Self::Macs => macs,
            Self::Min(a, b) => of(a).min(of(b)),
            Self::Max(a, b) => of(a).max(of(b)),
            Self::Binary(op, a, b) => match op {
                MetaOp::Add => of(a) + of(b),
                MetaOp::Sub => of(a) - of(b),
                MetaOp::Mul => of(a) * of(b),
                _ => of(a) / of(b),
            },
        }
    }
}

/// A `.rules` file.
#[derive(Debug, Clone)]
pub struct Module {
    /// Name after `module`.
    pub name: String,
    /// Text of its `///` or `//!` lines.
    pub doc: String,
    /// Path as given.
    pub path: String,
}

/// What a rule promises about both sides.
#[derive(Debug, Clone, PartialEq)]
pub enum Contract {
    /// Bit for bit equal.
    Exact,
    /// Equal over the reals; the tolerance in units in the last place if the rule gives one.
    Real {
        /// Largest distance in units in the last place of the largest magnitude of the result.
        ulp: Option<u32>,
    },
    /// At most this many quantization steps apart.
    Lsb(u32),
    /// Changes the result; only used with a calibrated error budget.
    Lossy(String),
}

/// One rewrite rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name, unique over all modules.
    pub name: String,
    /// Module it stands in.
    pub module: String,
    /// Ruleset it belongs to (`in fold`).
    pub ruleset: String,
    /// Documentation: all `///` lines.
    pub doc: String,
    /// Contract.
    pub contract: Contract,
    /// Variables; a [`VarId`] is an index into this.
    pub vars: Vec<Variable>,
    /// Left sides; more than one for a multi-root rule.
    pub roots: Vec<Pattern>,
    /// Computed constants, in an order in which each depends only on earlier ones.
    pub lets: Vec<Let>,
    /// Conditions, in order; all must hold. A guard may mention `where` constants, which are then evaluated for it.
    pub guards: Vec<Guard>,
    /// Right sides, one per root.
    pub results: Vec<Expr>,
    /// Set when this rule is the right-to-left half of a `<=>`; its name ends in `/reverse`.
    pub reverse: bool,
    /// The whole rule in its file.
    pub span: Span,
}

/// Index into [`Rule::vars`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(pub u32);

/// A variable of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Name in the text.
    pub name: String,
    /// What it stands for.
    pub kind: VarKind,
    /// Where it is bound first.
    pub span: Span,
}

/// What a variable stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VarKind {
    /// A tensor value (an e-class).
    Value,
    /// A tensor value that may be absent.
    Optional,
    /// Any number of tensor values.
    Variadic,
    /// The value of one attribute.
    Attr,
    /// The attributes that the pattern does not name (`..a`).
    Attrs,
    /// An operator of a class (`f:pointwise-unary`).
    Op,
    /// A `where` constant.
    Let,
}

/// Left side of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// Any value; a second occurrence must be the same e-class.
    Var(VarId),
    /// Any value, not bound (`_`).
    Wild,
    /// `name @ pattern`.
    Bind(VarId, Box<Pattern>),
    /// A constant all of whose elements are this number.
    Number(f64),
    /// The accumulator of the enclosing `Fused`.
    Acc,
    /// An operator call.
    Op(OpPattern),
}

/// A call in a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct OpPattern {
    /// Which operators match.
    pub op: OpMatch,
    /// Arguments by position. Trailing optional inputs that are not listed must be absent.
    pub args: Vec<ArgPattern>,
    /// Attributes.
    pub attrs: AttrPattern,
    /// Which output of the operator is meant (`.name`); 0 for operators with one.
    pub output: u32,
}

/// Operators that a call in a pattern matches.
#[derive(Debug, Clone, PartialEq)]
pub enum OpMatch {
    /// This one.
    One(Op),
    /// Any of a class, bound to an operator variable.
    Class(VarId, Vec<Op>),
}

/// An argument in a pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgPattern {
    /// Must be present.
    One(Pattern),
    /// May be absent (`b?`); binds a [`VarKind::Optional`].
    Optional(VarId),
    /// May be absent, not bound (`_?`).
    OptionalWild,
    /// All remaining arguments, all present (`xs...`).
    Variadic(VarId),
}

/// Attributes in a pattern.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttrPattern {
    /// Named attributes.
    pub named: Vec<(String, AttrMatch)>,
    /// The others.
    pub rest: AttrRest,
}

/// What a named attribute must be.
#[derive(Debug, Clone, PartialEq)]
pub enum AttrMatch {
    /// Bound to a variable; a second occurrence must be equal.
    Var(VarId),
    /// Must have this value.
    Value(AttrValue),
    /// May be anything (`_`).
    Ignore,
}

/// What happens to attributes the pattern does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttrRest {
    /// There are none: the checker has made sure that all attributes of the operator are named.
    #[default]
    None,
    /// Bound (`..a`).
    Bind(VarId),
    /// Ignored (`.._`).
    Ignore,
}

/// A term of the right side or of a `where`.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A bound value, optional, or `where` constant. An absent optional as an argument of `+` or `-` counts as zero; as
    /// the argument of a `Cast` or of an optional input it stays absent.
    Var(VarId),
    /// A scalar constant of the element type of the operand next to it (of the first typed argument of the call).
    Number(Meta),
    /// A constant with the given elements: `scalar(v, f32)` has shape `[]`, `tensor([1, 2], i64)` shape `[2]`.
    Constant {
        /// A number, or a list of numbers.
        value: Meta,
        /// Element type.
        dtype: Meta,
    },
    /// The value with another shape (`reshape(x, [1, -1])`): builds a `Reshape`, at once for constants.
    Reshape(Box<Expr>, Meta),
    /// `constant(y)`: the class of a bound value, evaluated to a constant. Fails if it cannot be evaluated.
    Folded(VarId),
    /// The accumulator of the enclosing `Fused` on the right side.
    Acc,
    /// An absent optional argument (`_` on the right side).
    Absent,
    /// A call.
    Op(OpExpr),
}

/// A call on the right side.
#[derive(Debug, Clone, PartialEq)]
pub struct OpExpr {
    /// The operator.
    pub op: OpRef,
    /// Arguments by position; a [`VarKind::Variadic`] variable stands for all its values, [`ArgExpr::Each`] maps them.
    pub args: Vec<ArgExpr>,
    /// Attributes; those not given take the operator's defaults.
    pub attrs: AttrExpr,
    /// Which output is meant.
    pub output: u32,
    /// Where it is written.
    pub span: Span,
}

/// An operator on the right side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OpRef {
    /// This one.
    One(Op),
    /// The one an operator variable is bound to.
    Var(VarId),
}

/// An argument on the right side.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgExpr {
    /// One value.
    One(Expr),
    /// All values of a variadic variable (`xs...`).
    Spread(VarId),
    /// `map(x in xs: expr)...`: the expression for every value of a variadic variable. Inside, the element is a
    /// [`VarKind::Value`] variable of its own.
    Each {
        /// The element variable.
        element: VarId,
        /// The variadic variable.
        over: VarId,
        /// The term per element.
        body: Expr,
    },
}

/// Attributes of a call on the right side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttrExpr {
    /// Bundle to start from (`..a`). Attributes the target operator does not have are an error of the rule.
    pub base: Option<VarId>,
    /// Attributes set on top, in order.
    pub set: Vec<(String, Meta)>,
}

/// A `where` constant: a term whose leaves are all constants at the time the rule applies.
#[derive(Debug, Clone, PartialEq)]
pub struct Let {
    /// The variable it defines.
    pub var: VarId,
    /// Its term.
    pub value: Expr,
}

/// A condition with the sentence that is reported when it fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// Must evaluate to true.
    pub condition: Meta,
    /// `else "…"`, or the text of the condition.
    pub reason: String,
    /// Where it is written.
    pub span: Span,
}

/// Compile-time computation over attributes, shapes, types and small constants: conditions and attribute values.
#[derive(Debug, Clone, PartialEq)]
pub enum Meta {
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
    List(Vec<Meta>),
    /// An attribute variable's value; a tensor variable stands for itself as an argument of a [`Builtin`].
    Var(VarId),
    /// An attribute of a bound bundle (`a.strides`).
    AttrOf(VarId, String),
    /// `list[i]`; negative counts from the end.
    Index(Box<Meta>, Box<Meta>),
    /// `not x`.
    Not(Box<Meta>),
    /// Negation.
    Neg(Box<Meta>),
    /// A binary operation. `and` and `or` do not evaluate their right side if the left decides.
    Binary(MetaOp, Box<Meta>, Box<Meta>),
    /// A built-in function or predicate.
    Call(Builtin, Vec<Meta>),
}

/// Binary operations on [`Meta`] values. Arithmetic applies element by element to lists of equal length, or list and
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as they are written")]
pub enum MetaOp {
    And,
    Or,
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

/// Built-in functions over bound values. Those that ask for a value's contents (`value`, `min_of`, `max_of`, `all_close`,
/// `sum_fits`) make the guard fail if the value is not constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// `const(x, …)`: all are constants (an absent optional is one). Variadics count with all their values.
    Const,
    /// `absent(b)`: an optional input is not there.
    Absent,
    /// `present(b)`.
    Present,
    /// `closed(x)`: the value does not depend on an enclosing kernel's accumulator.
    Closed,
    /// `shape(x)`: list of integers.
    Shape,
    /// `rank(x)`.
    Rank,
    /// `all_rank(xs, n)`: every value of a variadic variable has this rank.
    AllRank,
    /// `dtype(x)`.
    Dtype,
    /// `elements(x)`: number of elements.
    Elements,
    /// `value(x)`: the number of a one-element constant, or the list of a rank-1 constant.
    Value,
    /// `min_of(x)`: smallest element of a constant.
    MinOf,
    /// `max_of(x)`: largest element of a constant.
    MaxOf,
    /// `live(x, axis)`: the positions along an axis of a constant at which some element is not zero, in ascending order; none of an
    /// absent value.
    Live,
    /// `all_close(x, y, rtol)`: constants equal within a relative tolerance, after broadcasting.
    AllClose,
    /// `sum_fits(w, zw, b, axis, reach)`: whether `b[o]` and any part of the products of `w[o, …] - zw[o]` with integers of
    /// magnitude up to `reach` sum to 32 bits, for every index `o` of `axis`. `zw` may be absent.
    SumFits,
    /// `lowest(T)` or `lowest(x)`: smallest value of an integer element type.
    Lowest,
    /// `highest(T)` or `highest(x)`: largest value of an integer element type.
    Highest,
    /// `steps(x)`: how many quantization steps the body term contains, at least.
    Steps,
    /// `range_lo(x)`: lower bound of the value, minus infinity if unknown.
    RangeLo,
    /// `range_hi(x)`: upper bound.
    RangeHi,
    /// `len(list)`.
    Len,
    /// `product(list)`.
    Product,
    /// `all(list)` of truth values; comparison of a list with a number is a list of truth values only inside `all`/`any`.
    All,
    /// `any(list)`.
    Any,
    /// `slice(list, from, to)`.
    Slice,
    /// `concat(list, list)`.
    ConcatLists,
    /// `repeat(x, n)`: list of n equal items.
    Repeat,
    /// `iota(n)`: `[0, 1, … n-1]`.
    Iota,
    /// `compose(p, q)`: the permutation "first p, then q", as `Transpose(Transpose(x){perm: p}){perm: q}` needs it.
    Compose,
    /// `inverse(p)`: the inverse permutation.
    Inverse,
    /// `permute(list, p)`: item `i` of the result is `list[p[i]]`.
    Permute,
    /// `keeps_order(p, s)`: permuting the axes of a tensor of shape `s` by `p` moves no element, because axes of size
    /// greater than one keep their order.
    KeepsOrder,
    /// `index_of(list, x)`: position of an item, -1 if absent.
    IndexOf,
    /// `map_axes(axes, p)`: the positions in the permuted tensor of axes of the original one: `index_of(p, axis)` each.
    MapAxes,
    /// `broadcast(s, t)`: the common shape of two shapes; fails if there is none.
    Broadcast,
    /// `sort(list)`.
    Sort,
    /// `union(list, list)`: the integers that are in a list, each once, in ascending order.
    Union,
    /// `min(a, b)` on numbers.
    Min,
    /// `max(a, b)` on numbers.
    Max,
    /// `abs(x)` on numbers.
    Abs,
    /// `is_power_of_two(x)`.
    IsPowerOfTwo,
}

/// In which order rulesets run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schedule {
    /// Steps.
    pub steps: Vec<Step>,
}

/// A step of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Applies the rulesets until nothing new is found or a limit is reached.
    Saturate(Vec<String>, Limits),
    /// Applies the rulesets once.
    Run(Vec<String>, Limits),
    /// Repeats steps.
    Repeat(u32, Vec<Step>),
}

/// Budgets of a step; `None` means the engine's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// E-nodes in the whole e-graph.
    pub nodes: Option<usize>,
    /// Iterations of the step.
    pub iterations: Option<usize>,
    /// Matches of one rule in one iteration.
    pub matches: Option<usize>,
}

/// A `test "…" { … }` block.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What it claims.
    pub name: String,
    /// Module it stands in.
    pub module: String,
    /// The graph.
    pub graph: TestGraph,
    /// What must hold.
    pub expects: Vec<Expect>,
    /// The block.
    pub span: Span,
}

/// The graph of a test, in single-assignment form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TestGraph {
    /// Graph inputs.
    pub inputs: Vec<(String, TensorType)>,
    /// Calls in order.
    pub nodes: Vec<TestNode>,
    /// Returned values.
    pub outputs: Vec<TestValue>,
}

/// A call in a test graph.
#[derive(Debug, Clone, PartialEq)]
pub struct TestNode {
    /// The operator.
    pub op: Op,
    /// Attributes as written.
    pub attrs: Vec<(String, AttrValue)>,
    /// Arguments by position; `None` is absent (`_`).
    pub inputs: Vec<Option<TestValue>>,
    /// Number of outputs that are used.
    pub outputs: usize,
    /// Where it is written.
    pub span: Span,
}

/// A value in a test graph.
#[derive(Debug, Clone, PartialEq)]
pub enum TestValue {
    /// Graph input by position.
    Input(usize),
    /// Output of an earlier node.
    Node(usize, u32),
    /// A constant.
    Const(TestConst),
}

/// A constant of a test graph. Random ones are seeded by their position in the test, so a test always sees the same.
#[derive(Debug, Clone, PartialEq)]
pub enum TestConst {
    /// `rand[4,3]` or `rand i8[4,3]`: floats in [-1, 1), integers over their whole range.
    Rand(TensorType),
    /// `rand_positive[4]`: floats in [0.1, 1.1), integers in 1..=127.
    RandPositive(TensorType),
    /// `full[4](0.5)` or a plain number (a scalar f32), or a list `i64 [1, 2]`.
    Values(TensorType, Vec<f64>),
}

/// What a test expects.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// `fired RULE == 1`: applications that changed the e-graph.
    Fired(String, Compare, u64, Span),
    /// `blocked RULE "reason"`: the pattern matched somewhere and this guard said no; the rule did not fire.
    Blocked(String, String, Span),
    /// `count(OP) == 0` in the chosen graph, kernels' bodies included.
    Count(Op, Compare, u64, Span),
    /// `kernel count == 1`: kernels of the chosen graph.
    Kernels(Compare, u64, Span),
    /// `cost < original`: the predicted cost of the chosen graph.
    Cost(Compare, CostBound, Span),
    /// The chosen graph equals the accepted snapshot.
    Snapshot(Span),
}

/// What a test compares the predicted cost of the chosen graph with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CostBound {
    /// `cost < 1200`: nanoseconds.
    Nanoseconds(f64),
    /// `cost < 0.5 * original`: a share of what the test's graph costs as it is written.
    Original(f64),
}

/// A comparison in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as they are written")]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}
