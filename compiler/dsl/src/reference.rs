//! What the language knows by name, in words: operators with their attributes, built-ins, functions over terms, keywords.
//!
//! Editors, `qcc rules list` and the language reference all read these tables, so none can fall behind the program.

use crate::builtins::{BUILTINS, TERM_FUNCTIONS};
use crate::{Builtin, builtins};
use qcc_ops::{Arity, AttrDef, Default, Op, Param, registry};

/// An operator as a reader needs it.
#[derive(Debug, Clone)]
pub struct OperatorEntry {
    /// The operator.
    pub op: Op,
    /// Name of its domain in imports: `onnx` or `qcc`.
    pub domain: &'static str,
    /// `Conv(x, w, b?) -> y`.
    pub signature: String,
    /// Its attributes.
    pub attributes: Vec<AttributeEntry>,
}

/// An attribute as a reader needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeEntry {
    /// Name.
    pub name: &'static str,
    /// Kind of value: `int`, `float`, `text`, `ints` …
    pub kind: &'static str,
    /// The value when it is not given, in words or as it is written.
    pub default: String,
}

/// A built-in as a reader needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltinEntry {
    /// Name.
    pub name: &'static str,
    /// How it is called: `slice(list, from, to)`.
    pub signature: &'static str,
    /// What it is.
    pub doc: &'static str,
}

/// All operators, those of ONNX first, each domain in the order of names.
pub fn operators() -> Vec<OperatorEntry> {
    let mut result: Vec<OperatorEntry> = registry().map(operator).collect();
    result.sort_by_key(|entry| (entry.domain != "onnx", entry.op.name));
    result
}

/// One operator.
pub fn operator(op: Op) -> OperatorEntry {
    let parameters = |params: &[Param]| params.iter().map(parameter).collect::<Vec<_>>().join(", ");
    let signature = format!("{}({}) -> {}", op.name, parameters(op.inputs), parameters(op.outputs));
    let domain = if op.domain.is_empty() { "onnx" } else { op.domain };
    OperatorEntry { op, domain, signature, attributes: op.attrs.iter().map(attribute).collect() }
}

fn parameter(param: &Param) -> String {
    match param.arity {
        Arity::One => param.name.to_string(),
        Arity::Optional => format!("{}?", param.name),
        Arity::Variadic => format!("{}...", param.name),
    }
}

fn attribute(def: &AttrDef) -> AttributeEntry {
    use qcc_ops::AttrKind as K;
    let kind = match def.kind {
        K::Int => "int",
        K::Float => "float",
        K::Str => "text",
        K::Ints => "ints",
        K::Floats => "floats",
        K::Strs => "texts",
        K::Type => "type",
    };
    let default = match def.default {
        Default::Required => "must be given".to_string(),
        Default::Computed => "computed from the inputs".to_string(),
        Default::Absent => "absent".to_string(),
        Default::Int(x) => x.to_string(),
        Default::Float(x) => format!("{x:?}"),
        Default::Str(x) => format!("{x:?}"),
        Default::Ints(x) => format!("{x:?}").replace(", ", ","),
        Default::Type(x) => x.to_string(),
    };
    AttributeEntry { name: def.name, kind, default }
}

/// The functions of conditions and attribute values.
pub fn builtin_functions() -> Vec<BuiltinEntry> {
    BUILTINS.iter().map(|(_, builtin, _)| builtin_function(*builtin)).collect()
}

/// One of them.
pub(crate) fn builtin_function(builtin: Builtin) -> BuiltinEntry {
    let found = WORDS.iter().find(|(b, ..)| *b == builtin);
    let name = builtins::name(builtin);
    let (signature, doc) = found.map_or((name, ""), |(_, signature, doc)| (signature, doc));
    BuiltinEntry { name, signature, doc }
}

/// The functions of right sides that are no operators.
pub fn term_functions() -> Vec<BuiltinEntry> {
    TERM_FUNCTIONS
        .iter()
        .map(|(name, _)| {
            let found = TERM_WORDS.iter().find(|(signature, _)| signature.split('(').next() == Some(name));
            let (signature, doc) = found.copied().unwrap_or((name, ""));
            BuiltinEntry { name, signature, doc }
        })
        .collect()
}

/// Words with which items and parts of items begin.
pub const KEYWORDS: &[&str] = &[
    "module",
    "import",
    "as",
    "class",
    "commutative",
    "fn",
    "pred",
    "rule",
    "in",
    "where",
    "if",
    "else",
    "and",
    "or",
    "not",
    "map",
    "test",
    "graph",
    "return",
    "expect",
    "fired",
    "blocked",
    "count",
    "kernel",
    "original",
    "snapshot",
    "schedule",
    "saturate",
    "run",
    "repeat",
    "limit",
    "op",
    "def",
    "cost",
];

/// Names of contracts.
pub const CONTRACTS: &[(&str, &str)] = &[
    ("exact", "Both sides are equal bit for bit."),
    (
        "real",
        "Both sides are equal over the reals; rounding may differ, by the given number of units in the last place if one is given: `@real(ulp = 16)`.",
    ),
    ("lsb", "Both sides are at most this many quantization steps apart: `@lsb(1)`."),
    (
        "lossy",
        "The result changes, for the reason given: `@lossy(\"…\")`. Never used without a calibrated error budget.",
    ),
];

/// What a test may expect, as it is written.
pub(crate) const EXPECTATIONS: &[(&str, &str)] = &[
    ("fired", "The rule changed the graph: `fired rule`, `fired rule == 2`."),
    ("blocked", "The pattern matched, this guard said no, and the rule did not fire: `blocked rule \"reason\"`."),
    ("count", "How often an operator is in the chosen graph, bodies of kernels included: `count(Relu) == 0`."),
    ("kernel count", "How many kernels are in the chosen graph: `kernel count == 1`."),
    ("cost", "The predicted cost of the chosen graph: `cost < original`, `cost < 0.5 * original`, `cost < 1200` (ns)."),
    ("snapshot", "The chosen graph is the accepted one in `snapshots/` beside the file."),
];

const TERM_WORDS: &[(&str, &str)] = &[
    ("reshape(x, shape)", "The value with another shape; at once for constants."),
    ("tensor(list, dtype)", "A constant of rank one with these elements."),
    ("scalar(number, dtype)", "A constant without axes."),
    ("along(vector, axis, rank)", "A vector laid along one of `rank` axes, the others of size one."),
    ("cast(x, dtype)", "The value as another element type, a `Cast`; absent stays absent."),
    ("constant(x)", "The bound value, evaluated at compile time."),
];

const WORDS: &[(Builtin, &str, &str)] = {
    use Builtin as B;
    &[
        (
            B::Const,
            "const(x, …)",
            "All are constants; an absent input counts as one, a variadic one with all its values.",
        ),
        (B::Absent, "absent(b)", "The optional input is not there."),
        (B::Present, "present(b)", "The optional input is there."),
        (B::Closed, "closed(x)", "The value does not depend on an enclosing kernel's accumulator."),
        (B::Shape, "shape(x)", "The sizes of all axes, a list."),
        (B::Rank, "rank(x)", "The number of axes."),
        (B::AllRank, "all_rank(xs, n)", "Every value of a variadic input has this rank."),
        (B::Dtype, "dtype(x)", "The element type."),
        (B::Elements, "elements(x)", "The number of elements."),
        (B::Value, "value(x)", "The number of a constant with one element, or the list of a constant with one axis."),
        (B::MinOf, "min_of(x)", "The smallest element of a constant."),
        (B::MaxOf, "max_of(x)", "The largest element of a constant."),
        (
            B::Live,
            "live(x, axis)",
            "The positions along an axis of a constant at which some element is not zero; none of an absent value.",
        ),
        (B::AllClose, "all_close(x, y, rtol)", "Constants are equal within a relative tolerance, after broadcasting."),
        (
            B::SumFits,
            "sum_fits(w, zw, b, axis, reach)",
            "Along an axis of constant weights, the bias and any sum of products with integers up to `reach` fit 32 bits.",
        ),
        (B::Lowest, "lowest(x)", "The smallest value of an integer element type, or of that of a value."),
        (B::Highest, "highest(x)", "The largest value of an integer element type, or of that of a value."),
        (B::Steps, "steps(x)", "How many quantization steps a kernel's body contains, at least."),
        (B::RangeLo, "range_lo(x)", "A lower bound of all elements; minus infinity if nothing is known."),
        (B::RangeHi, "range_hi(x)", "An upper bound of all elements."),
        (B::Len, "len(list)", "The number of items."),
        (B::Product, "product(list)", "The product of all items."),
        (B::All, "all(list)", "All items are true; `all(s == 1)` compares item by item."),
        (B::Any, "any(list)", "An item is true."),
        (B::Slice, "slice(list, from, to)", "The items `from` to `to`, the last one excluded."),
        (B::ConcatLists, "concat(list, list)", "One list behind the other."),
        (B::Repeat, "repeat(x, n)", "A list of `n` equal items."),
        (B::Iota, "iota(n)", "`[0, 1, … n - 1]`."),
        (B::Compose, "compose(p, q)", "The permutation that two transposes in a row make, first `p`, then `q`."),
        (B::Inverse, "inverse(p)", "The inverse permutation."),
        (B::Permute, "permute(list, p)", "The list whose item `i` is `list[p[i]]`."),
        (B::KeepsOrder, "keeps_order(p, s)", "Permuting the axes of a tensor of shape `s` by `p` moves no element."),
        (B::IndexOf, "index_of(list, x)", "The position of an item, -1 if it is not there."),
        (B::MapAxes, "map_axes(axes, p)", "The positions of axes in the permuted tensor."),
        (B::Broadcast, "broadcast(s, t)", "The common shape of two shapes; the condition fails if there is none."),
        (B::Sort, "sort(list)", "The items in ascending order."),
        (B::Union, "union(list, list)", "The integers that are in one of two lists, each once, in ascending order."),
        (B::Min, "min(a, b)", "The smaller number."),
        (B::Max, "max(a, b)", "The larger number."),
        (B::Abs, "abs(x)", "The magnitude of a number."),
        (B::IsPowerOfTwo, "is_power_of_two(x)", "The number is a power of two."),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_in_words() {
        for entry in builtin_functions().into_iter().chain(term_functions()) {
            assert!(!entry.doc.is_empty(), "`{}` has no words in reference.rs", entry.name);
            assert!(entry.signature.starts_with(&format!("{}(", entry.name)), "{}", entry.signature);
        }
    }

    #[test]
    fn every_keyword_of_the_grammar_is_listed() {
        let grammar = include_str!("grammar.pest");
        let words = grammar.lines().filter_map(|line| line.strip_prefix("kw_")?.split('"').nth(1));
        let found: Vec<&str> = words.collect();
        assert!(found.len() > 25, "the grammar has changed its form");
        for word in found {
            assert!(KEYWORDS.contains(&word), "`{word}` is missing");
        }
    }
}
