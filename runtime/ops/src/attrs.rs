//! Attribute values and bundles.

use qcc_tensor::DType;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Value of one attribute. Floats compare and hash by their bits, so a bundle can be a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AttrValue {
    /// Integer; also booleans as 0 and 1.
    Int(i64),
    /// Single-precision float.
    Float(f32),
    /// Text.
    Str(String),
    /// List of integers.
    Ints(Vec<i64>),
    /// List of floats.
    Floats(Vec<f32>),
    /// List of texts.
    Strs(Vec<String>),
    /// Element type.
    Type(DType),
}

impl AttrValue {
    fn rank(&self) -> u8 {
        match self {
            AttrValue::Int(_) => 0,
            AttrValue::Float(_) => 1,
            AttrValue::Str(_) => 2,
            AttrValue::Ints(_) => 3,
            AttrValue::Floats(_) => 4,
            AttrValue::Strs(_) => 5,
            AttrValue::Type(_) => 6,
        }
    }
}

impl Ord for AttrValue {
    fn cmp(&self, other: &Self) -> Ordering {
        use AttrValue::*;
        match (self, other) {
            (Int(a), Int(b)) => a.cmp(b),
            (Float(a), Float(b)) => a.to_bits().cmp(&b.to_bits()),
            (Str(a), Str(b)) => a.cmp(b),
            (Ints(a), Ints(b)) => a.cmp(b),
            (Floats(a), Floats(b)) => a.iter().map(|x| x.to_bits()).cmp(b.iter().map(|x| x.to_bits())),
            (Strs(a), Strs(b)) => a.cmp(b),
            (Type(a), Type(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for AttrValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for AttrValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for AttrValue {}

impl Hash for AttrValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            AttrValue::Int(x) => x.hash(state),
            AttrValue::Float(x) => x.to_bits().hash(state),
            AttrValue::Str(x) => x.hash(state),
            AttrValue::Ints(x) => x.hash(state),
            AttrValue::Floats(x) => x.iter().for_each(|x| x.to_bits().hash(state)),
            AttrValue::Strs(x) => x.hash(state),
            AttrValue::Type(x) => x.hash(state),
        }
    }
}

/// As written in `.rules` and `.qir`: `1`, `1e-5`, `"SAME"`, `[1, 1]`, `f32`.
impl std::fmt::Display for AttrValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn list<T>(
            f: &mut std::fmt::Formatter<'_>,
            xs: &[T],
            item: impl Fn(&T, &mut std::fmt::Formatter<'_>) -> std::fmt::Result,
        ) -> std::fmt::Result {
            f.write_str("[")?;
            for (i, x) in xs.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                item(x, f)?;
            }
            f.write_str("]")
        }
        match self {
            AttrValue::Int(x) => write!(f, "{x}"),
            AttrValue::Float(x) => write!(f, "{x:?}"),
            AttrValue::Str(x) => write!(f, "{x:?}"),
            AttrValue::Ints(x) => list(f, x, |x, f| write!(f, "{x}")),
            AttrValue::Floats(x) => list(f, x, |x, f| write!(f, "{x:?}")),
            AttrValue::Strs(x) => list(f, x, |x, f| write!(f, "{x:?}")),
            AttrValue::Type(x) => write!(f, "{x}"),
        }
    }
}

/// The attributes of one node, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attrs(Vec<(String, AttrValue)>);

impl Attrs {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Value of an attribute.
    pub fn get(&self, name: &str) -> Option<&AttrValue> {
        self.0.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok().map(|i| &self.0[i].1)
    }

    /// Sets an attribute.
    pub fn set(&mut self, name: impl Into<String>, value: AttrValue) {
        let name = name.into();
        match self.0.binary_search_by(|(n, _)| n.cmp(&name)) {
            Ok(i) => self.0[i].1 = value,
            Err(i) => self.0.insert(i, (name, value)),
        }
    }

    /// The same bundle with one attribute set.
    pub fn with(mut self, name: &str, value: AttrValue) -> Self {
        self.set(name, value);
        self
    }

    /// Removes an attribute and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<AttrValue> {
        self.0.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok().map(|i| self.0.remove(i).1)
    }

    /// Attributes in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttrValue)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An integer attribute; `None` if absent or of another kind.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(AttrValue::Int(x)) => Some(*x),
            _ => None,
        }
    }

    /// A float attribute.
    pub fn float(&self, name: &str) -> Option<f32> {
        match self.get(name) {
            Some(AttrValue::Float(x)) => Some(*x),
            _ => None,
        }
    }

    /// A text attribute.
    pub fn str(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(AttrValue::Str(x)) => Some(x),
            _ => None,
        }
    }

    /// A list of integers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.get(name) {
            Some(AttrValue::Ints(x)) => Some(x),
            _ => None,
        }
    }

    /// An element type.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        match self.get(name) {
            Some(AttrValue::Type(x)) => Some(*x),
            _ => None,
        }
    }
}

impl<N: Into<String>> FromIterator<(N, AttrValue)> for Attrs {
    fn from_iter<I: IntoIterator<Item = (N, AttrValue)>>(iter: I) -> Self {
        let mut attrs = Attrs::new();
        iter.into_iter().for_each(|(n, v)| attrs.set(n, v));
        attrs
    }
}
