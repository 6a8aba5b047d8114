//! Operators that are defined by others (`def`).
//!
//! A definition is a term over its inputs and attributes. It has no reference evaluation and no kernel of its own: a call *is* its
//! term, which is typed, evaluated and fused like everything else.

use crate::{TestConst, TestGraph, TestNode, TestValue};
use qcc_diag::Span;
use qcc_ops::{AttrKind, AttrValue, Op};
use qcc_tensor::{DType, TensorType};

/// `def Name(x, y) { alpha: float = 1.0 } = term`.
#[derive(Debug, Clone, PartialEq)]
pub struct Def {
    /// Name of the operator.
    pub name: String,
    /// ONNX domain; `None` fits any but the standard one.
    pub domain: Option<String>,
    /// Documentation.
    pub doc: String,
    /// Module it stands in.
    pub module: String,
    /// Inputs, all required.
    pub inputs: Vec<String>,
    /// Attributes.
    pub attrs: Vec<DefAttr>,
    /// What it computes.
    pub body: DefTerm,
    /// Where it is written.
    pub span: Span,
}

/// An attribute of a definition.
#[derive(Debug, Clone, PartialEq)]
pub struct DefAttr {
    /// Name.
    pub name: String,
    /// Kind of value.
    pub kind: AttrKind,
    /// Value when not given; `None` if it must be.
    pub default: Option<AttrValue>,
}

/// A term of a definition.
#[derive(Debug, Clone, PartialEq)]
pub enum DefTerm {
    /// An input by position.
    Input(usize),
    /// A number; it takes the element type of the tensor beside it.
    Number(f64),
    /// A number that an attribute holds.
    Attr(usize),
    /// A constant tensor.
    Constant(TestConst),
    /// An operator call.
    Call {
        /// The operator.
        op: Op,
        /// Arguments by position; `None` is absent.
        args: Vec<Option<DefTerm>>,
        /// Attributes that are given.
        attrs: Vec<(String, DefValue)>,
        /// Which output is meant.
        output: u32,
        /// Where it is written.
        span: Span,
    },
}

/// The value of an attribute in a definition.
#[derive(Debug, Clone, PartialEq)]
pub enum DefValue {
    /// This value.
    Value(AttrValue),
    /// That of an attribute of the definition.
    Attr(usize),
}

impl Def {
    /// Whether the definition is meant by an operator of a domain.
    pub fn is(&self, domain: &str, op: &str) -> bool {
        self.name == op && self.domain.as_ref().map_or(!domain.is_empty(), |own| own == domain)
    }

    /// The term for a call as a graph with one output, whose inputs are those of the call (their shapes are left open).
    /// `dtypes` are the element types of the inputs as far as they are known; numbers beside unknown ones are f32.
    ///
    /// # Errors
    /// Too few or too many inputs; attributes that are missing, unknown or of another kind.
    pub fn expand(&self, attrs: &[(String, AttrValue)], dtypes: &[Option<DType>]) -> Result<TestGraph, String> {
        if dtypes.len() != self.inputs.len() {
            let list = self.inputs.join(", ");
            return Err(format!("{} takes {} inputs ({list}), got {}", self.name, self.inputs.len(), dtypes.len()));
        }
        if let Some((name, _)) = attrs.iter().find(|(n, _)| !self.attrs.iter().any(|a| a.name == *n)) {
            let help = match crate::nearest(name, self.attrs.iter().map(|a| a.name.as_str())) {
                Some(other) => format!("; did you mean `{other}`?"),
                None => String::new(),
            };
            return Err(format!("the definition of {} has no attribute `{name}`{help}", self.name));
        }
        let values: Vec<AttrValue> = self.attrs.iter().map(|a| self.value_of(a, attrs)).collect::<Result<_, _>>()?;
        let mut expansion = Expansion { dtypes, values, graph: TestGraph::default() };
        for (name, dtype) in self.inputs.iter().zip(dtypes) {
            expansion.graph.inputs.push((name.clone(), TensorType::new(dtype.unwrap_or(DType::F32), [])));
        }
        let output = expansion.term(&self.body, None)?;
        expansion.graph.outputs.push(output);
        Ok(expansion.graph)
    }

    fn value_of(&self, attr: &DefAttr, given: &[(String, AttrValue)]) -> Result<AttrValue, String> {
        let value = given.iter().find(|(n, _)| *n == attr.name).map(|(_, v)| v).or(attr.default.as_ref());
        let value = value.ok_or_else(|| format!("{} needs the attribute `{}`", self.name, attr.name))?;
        match (attr.kind, value) {
            (AttrKind::Float, AttrValue::Int(x)) => Ok(AttrValue::Float(*x as f32)),
            // Files hold element types as numbers of their own; the importer translates them.
            (AttrKind::Int, AttrValue::Int(_))
            | (AttrKind::Float, AttrValue::Float(_))
            | (AttrKind::Str, AttrValue::Str(_))
            | (AttrKind::Ints, AttrValue::Ints(_))
            | (AttrKind::Floats, AttrValue::Floats(_))
            | (AttrKind::Type, AttrValue::Type(_)) => Ok(value.clone()),
            _ => Err(format!("the attribute `{}` of {} must be {:?}, got {value}", attr.name, self.name, attr.kind)),
        }
    }
}

struct Expansion<'a> {
    dtypes: &'a [Option<DType>],
    values: Vec<AttrValue>,
    graph: TestGraph,
}

impl Expansion<'_> {
    fn term(&mut self, term: &DefTerm, beside: Option<DType>) -> Result<TestValue, String> {
        match term {
            DefTerm::Input(i) => Ok(TestValue::Input(*i)),
            DefTerm::Number(x) => Ok(number(*x, beside)),
            DefTerm::Attr(i) => match &self.values[*i] {
                AttrValue::Int(x) => Ok(number(*x as f64, beside)),
                AttrValue::Float(x) => Ok(number(f64::from(*x), beside)),
                other => Err(format!("{other} is no number")),
            },
            DefTerm::Constant(constant) => Ok(TestValue::Const(constant.clone())),
            DefTerm::Call { op, args, attrs, output, span } => {
                let own = args.iter().flatten().find_map(|a| self.dtype(a)).or(beside);
                let inputs = args.iter().map(|a| a.as_ref().map(|a| self.term(a, own)).transpose());
                let inputs: Vec<Option<TestValue>> = inputs.collect::<Result<_, _>>()?;
                let value = |v: &DefValue| match v {
                    DefValue::Value(value) => value.clone(),
                    DefValue::Attr(i) => self.values[*i].clone(),
                };
                let attrs = attrs.iter().map(|(name, v)| (name.clone(), value(v))).collect();
                let outputs = *output as usize + 1;
                self.graph.nodes.push(TestNode { op: *op, attrs, inputs, outputs, span: *span });
                Ok(TestValue::Node(self.graph.nodes.len() - 1, *output))
            }
        }
    }

    /// The element type of a term, if it does not depend on what stands beside it.
    fn dtype(&self, term: &DefTerm) -> Option<DType> {
        match term {
            DefTerm::Input(i) => self.dtypes[*i],
            DefTerm::Number(_) | DefTerm::Attr(_) => None,
            DefTerm::Constant(TestConst::Rand(ty) | TestConst::RandPositive(ty) | TestConst::Values(ty, _)) => {
                Some(ty.dtype)
            }
            DefTerm::Call { op, args, attrs, .. } => {
                let of = |i: usize| args.get(i).and_then(Option::as_ref).and_then(|a| self.dtype(a));
                let given = |name: &str| attrs.iter().find(|(n, _)| n == name).map(|(_, v)| v);
                match op.name {
                    "Cast" => match given("to") {
                        Some(DefValue::Value(AttrValue::Type(dtype))) => Some(*dtype),
                        Some(DefValue::Attr(i)) => match &self.values[*i] {
                            AttrValue::Type(dtype) => Some(*dtype),
                            _ => None,
                        },
                        _ => None,
                    },
                    "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "Equal" | "Not" | "And" | "Or" | "Xor"
                    | "IsNaN" | "IsInf" => Some(DType::Bool),
                    "Where" => of(1).or_else(|| of(2)),
                    "DequantizeLinear" | "CastLike" => of(1),
                    "QuantizeLinear" => of(2),
                    _ => (0..args.len()).find_map(of),
                }
            }
        }
    }
}

fn number(x: f64, dtype: Option<DType>) -> TestValue {
    TestValue::Const(TestConst::Values(TensorType::new(dtype.unwrap_or(DType::F32), []), vec![x]))
}
