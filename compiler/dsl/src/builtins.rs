//! The built-in functions by name.

use crate::Builtin;

/// What an argument of a built-in must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tensor.
    Value,
    /// A variadic variable or a tensor.
    Values,
    /// A tensor or an element type.
    ValueOrType,
    /// A number, list, text or element type.
    Meta,
}

/// Name, function, arguments.
type Entry = (&'static str, Builtin, &'static [Kind]);

use Kind::{Meta as M, Value as V, ValueOrType as T, Values as X};

/// All built-ins. `const` takes any number of arguments of its kind.
pub(crate) const BUILTINS: &[Entry] = &[
    ("const", Builtin::Const, &[X]),
    ("absent", Builtin::Absent, &[V]),
    ("present", Builtin::Present, &[V]),
    ("closed", Builtin::Closed, &[X]),
    ("shape", Builtin::Shape, &[V]),
    ("rank", Builtin::Rank, &[V]),
    ("all_rank", Builtin::AllRank, &[X, M]),
    ("dtype", Builtin::Dtype, &[V]),
    ("elements", Builtin::Elements, &[V]),
    ("value", Builtin::Value, &[V]),
    ("min_of", Builtin::MinOf, &[V]),
    ("max_of", Builtin::MaxOf, &[V]),
    ("live", Builtin::Live, &[V, M]),
    ("all_close", Builtin::AllClose, &[V, V, M]),
    ("sum_fits", Builtin::SumFits, &[V, V, V, M, M]),
    ("lowest", Builtin::Lowest, &[T]),
    ("highest", Builtin::Highest, &[T]),
    ("steps", Builtin::Steps, &[V]),
    ("range_lo", Builtin::RangeLo, &[V]),
    ("range_hi", Builtin::RangeHi, &[V]),
    ("len", Builtin::Len, &[M]),
    ("product", Builtin::Product, &[M]),
    ("all", Builtin::All, &[M]),
    ("any", Builtin::Any, &[M]),
    ("slice", Builtin::Slice, &[M, M, M]),
    ("concat", Builtin::ConcatLists, &[M, M]),
    ("repeat", Builtin::Repeat, &[M, M]),
    ("iota", Builtin::Iota, &[M]),
    ("compose", Builtin::Compose, &[M, M]),
    ("inverse", Builtin::Inverse, &[M]),
    ("permute", Builtin::Permute, &[M, M]),
    ("keeps_order", Builtin::KeepsOrder, &[M, M]),
    ("index_of", Builtin::IndexOf, &[M, M]),
    ("map_axes", Builtin::MapAxes, &[M, M]),
    ("broadcast", Builtin::Broadcast, &[M, M]),
    ("sort", Builtin::Sort, &[M]),
    ("union", Builtin::Union, &[M, M]),
    ("min", Builtin::Min, &[M, M]),
    ("max", Builtin::Max, &[M, M]),
    ("abs", Builtin::Abs, &[M]),
    ("is_power_of_two", Builtin::IsPowerOfTwo, &[M]),
];

/// Functions that build terms, with their parameters.
pub(crate) const TERM_FUNCTIONS: &[(&str, &[&str])] = &[
    ("reshape", &["x", "shape"]),
    ("tensor", &["list", "dtype"]),
    ("scalar", &["number", "dtype"]),
    ("along", &["vector", "axis", "rank"]),
    ("cast", &["x", "dtype"]),
    ("constant", &["x"]),
];

/// The built-in of a name.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    BUILTINS.iter().find(|(n, ..)| *n == name)
}

/// The name of a built-in.
pub(crate) fn name(builtin: Builtin) -> &'static str {
    BUILTINS.iter().find(|(_, b, _)| *b == builtin).map_or("", |(n, ..)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for (i, (name, builtin, _)) in BUILTINS.iter().enumerate() {
            assert_eq!(super::name(*builtin), *name);
            assert!(BUILTINS[..i].iter().all(|(other, ..)| other != name), "{name} is listed twice");
        }
    }
}
