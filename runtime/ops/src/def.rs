//! What an operator definition consists of.

use crate::{AttrValue, Attrs};
use qcc_tensor::{DType, Tensor, TensorType};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// How often a parameter occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly once.
    One,
    /// May be absent.
    Optional,
    /// Any number of times; only as the last parameter.
    Variadic,
}

/// An input or output of an op.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name as in the ONNX text, lower case.
    pub name: &'static str,
    /// How often it occurs.
    pub arity: Arity,
}

impl Param {
    /// A required parameter.
    pub const fn one(name: &'static str) -> Self {
        Self { name, arity: Arity::One }
    }

    /// An optional parameter.
    pub const fn optional(name: &'static str) -> Self {
        Self { name, arity: Arity::Optional }
    }

    /// A variadic parameter.
    pub const fn variadic(name: &'static str) -> Self {
        Self { name, arity: Arity::Variadic }
    }
}

/// Kind of an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are those of AttrValue")]
pub enum AttrKind {
    Int,
    Float,
    Str,
    Ints,
    Floats,
    Strs,
    Type,
}

/// What an attribute is when the model does not say it.
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// It must be given.
    Required,
    /// The op's `infer` computes it from the input types (for example strides from the rank), so that after inference
    /// it is always there.
    Computed,
    /// Stays absent, which means something of its own.
    Absent,
    /// This integer.
    Int(i64),
    /// This float.
    Float(f32),
    /// This text.
    Str(&'static str),
    /// These integers.
    Ints(&'static [i64]),
    /// This element type.
    Type(DType),
}

/// An attribute of an op.
#[derive(Debug, Clone, Copy)]
pub struct AttrDef {
    /// Name as in the ONNX text.
    pub name: &'static str,
    /// Kind of value.
    pub kind: AttrKind,
    /// Value when not given.
    pub default: Default,
}

impl AttrDef {
    /// An attribute from its parts.
    pub const fn new(name: &'static str, kind: AttrKind, default: Default) -> Self {
        Self { name, kind, default }
    }
}

/// Why an op cannot be typed or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// The inputs or attributes contradict the op's definition.
    #[error("{0}")]
    Invalid(String),
    /// Legal, but not supported by qcc yet.
    #[error("not supported yet: {0}")]
    Unsupported(String),
    /// Legal, but the output types follow from values that are known at run time only.
    #[error("{0}")]
    Dynamic(String),
    /// Legal, but it takes more than a run may ([`crate::Budget`]).
    #[error("{0}")]
    Limit(String),
}

impl OpError {
    /// An [`OpError::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// An [`OpError::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported(message.into())
    }

    /// An [`OpError::Dynamic`].
    pub fn dynamic(message: impl Into<String>) -> Self {
        Self::Dynamic(message.into())
    }

    /// An [`OpError::Limit`].
    pub fn limit(message: impl Into<String>) -> Self {
        Self::Limit(message.into())
    }

    /// The same error, said of a node.
    pub fn of_node(self, node: &str, op: &str) -> Self {
        let named = |m: String| format!("node `{node}` ({op}): {m}");
        match self {
            Self::Invalid(m) => Self::Invalid(named(m)),
            Self::Unsupported(m) => Self::Unsupported(named(m)),
            Self::Dynamic(m) => Self::Dynamic(named(m)),
            Self::Limit(m) => Self::Limit(named(m)),
        }
    }
}

/// What inference knows of one input.
#[derive(Debug, Clone, Copy)]
pub struct InferInput<'a> {
    /// Type of the input.
    pub ty: &'a TensorType,
    /// Its value where it is known at compile time (shapes, axes, pads).
    pub value: Option<&'a Tensor>,
}

/// Arguments of [`OpDef::infer`].
pub struct InferArgs<'a> {
    /// Inputs by position; `None` where an optional input is absent. Never shorter than the required parameters.
    pub inputs: &'a [Option<InferInput<'a>>],
    /// Attributes with static defaults filled in; `infer` brings them to canonical form (computed defaults, negative
    /// axes made positive, `auto_pad` resolved), so that equal meaning is equal bytes.
    pub attrs: &'a mut Attrs,
    /// Number of outputs the node has.
    pub outputs: usize,
}

impl<'a> InferArgs<'a> {
    /// Type of input `i`, which must be there.
    pub fn ty(&self, i: usize) -> Result<&'a TensorType, OpError> {
        self.opt_ty(i).ok_or_else(|| OpError::invalid(format!("input {i} is missing")))
    }

    /// Type of input `i` if it is there.
    pub fn opt_ty(&self, i: usize) -> Option<&'a TensorType> {
        self.inputs.get(i).copied().flatten().map(|x| x.ty)
    }

    /// Compile-time value of input `i`, if it is there and known.
    pub fn value(&self, i: usize) -> Option<&'a Tensor> {
        self.inputs.get(i).copied().flatten().and_then(|x| x.value)
    }

    /// Integers of input `i`: `Ok(None)` if the input is absent; [`OpError::Dynamic`] if it is there but not known at compile
    /// time.
    pub fn ints(&self, i: usize, what: &str) -> Result<Option<Vec<i64>>, OpError> {
        let Some(input) = self.inputs.get(i).copied().flatten() else { return Ok(None) };
        let value = input.value.ok_or_else(|| {
            OpError::dynamic(format!("{what} is computed from run-time data, so the output shape is not known"))
        })?;
        value
            .to_i64_vec()
            .map(Some)
            .ok_or_else(|| OpError::invalid(format!("{what} must be integers, got {}", input.ty)))
    }
}

/// Arguments of [`OpDef::eval`]. Types and attributes have passed `infer`.
pub struct EvalArgs<'a> {
    /// Inputs by position; `None` where an optional input is absent.
    pub inputs: &'a [Option<&'a Tensor>],
    /// Canonical attributes.
    pub attrs: &'a Attrs,
    /// Number of outputs the node has.
    pub outputs: usize,
}

impl<'a> EvalArgs<'a> {
    /// Input `i`, which must be there.
    pub fn input(&self, i: usize) -> Result<&'a Tensor, OpError> {
        self.opt(i).ok_or_else(|| OpError::invalid(format!("input {i} is missing")))
    }

    /// Input `i` if it is there.
    pub fn opt(&self, i: usize) -> Option<&'a Tensor> {
        self.inputs.get(i).copied().flatten()
    }

    /// Integers of input `i` if it is there; an error for values beyond i64.
    pub fn opt_ints(&self, i: usize) -> Result<Option<Vec<i64>>, OpError> {
        let Some(t) = self.opt(i) else { return Ok(None) };
        let beyond = || OpError::invalid(format!("input {i} must be integers that fit 64 bits, got {}", t.ty()));
        t.to_i64_vec().map(Some).ok_or_else(beyond)
    }
}

/// An operator: schema, shape rule, reference evaluation.
pub struct OpDef {
    /// Name: `Conv`.
    pub name: &'static str,
    /// ONNX domain; empty for the standard one, `qcc` for internal ops.
    pub domain: &'static str,
    /// One sentence: what it computes.
    pub doc: &'static str,
    /// Inputs.
    pub inputs: &'static [Param],
    /// Outputs; a variadic output takes as many as the node has.
    pub outputs: &'static [Param],
    /// Attributes, sorted by name.
    pub attrs: &'static [AttrDef],
    /// Whether an output element depends only on the input elements broadcast to its index (quantization parameters
    /// follow their axis), so that the op may stand in the body of a fused kernel. Exactly one output.
    pub elementwise: bool,
    /// Types of the outputs; brings the attributes to canonical form.
    pub infer: fn(&mut InferArgs<'_>) -> Result<Vec<TensorType>, OpError>,
    /// Reference evaluation.
    pub eval: fn(&EvalArgs<'_>) -> Result<Vec<Tensor>, OpError>,
    /// Multiply-accumulates of one evaluation, from input types; 0 for ops that have none.
    pub macs: fn(inputs: &[Option<&TensorType>], outputs: &[TensorType], attrs: &Attrs) -> u64,
}

/// [`OpDef::macs`] of an op without multiply-accumulates.
pub fn no_macs(_: &[Option<&TensorType>], _: &[TensorType], _: &Attrs) -> u64 {
    0
}

/// A reference to an op's definition; equal if domain and name are equal. Serialises as `domain::name`.
#[derive(Clone, Copy)]
pub struct Op(pub &'static OpDef);

impl Op {
    fn key(&self) -> (&'static str, &'static str) {
        (self.0.domain, self.0.name)
    }

    /// Number of required inputs.
    pub fn required_inputs(&self) -> usize {
        self.0.inputs.iter().filter(|p| p.arity == Arity::One).count()
    }

    /// How it is called: `Softmax(input) { axis }`.
    pub fn usage(&self) -> String {
        let name = |p: &Param| match p.arity {
            Arity::One => p.name.to_string(),
            Arity::Optional => format!("{}?", p.name),
            Arity::Variadic => format!("{}...", p.name),
        };
        let inputs: Vec<String> = self.0.inputs.iter().map(name).collect();
        let attrs: Vec<&str> = self.0.attrs.iter().map(|def| def.name).collect();
        let attrs = if attrs.is_empty() { String::new() } else { format!(" {{ {} }}", attrs.join(", ")) };
        format!("{}({}){attrs}", self.0.name, inputs.join(", "))
    }

    /// Checks names and kinds of attributes and fills in static defaults.
    pub fn complete_attrs(&self, attrs: &mut Attrs) -> Result<(), OpError> {
        for (name, value) in attrs.iter() {
            let Some(def) = self.0.attrs.iter().find(|d| d.name == name) else {
                return Err(OpError::unsupported(format!("{} has no attribute `{name}`", self.0.name)));
            };
            let fits = matches!(
                (def.kind, value),
                (AttrKind::Int, AttrValue::Int(_))
                    | (AttrKind::Float, AttrValue::Float(_))
                    | (AttrKind::Str, AttrValue::Str(_))
                    | (AttrKind::Ints, AttrValue::Ints(_))
                    | (AttrKind::Floats, AttrValue::Floats(_))
                    | (AttrKind::Strs, AttrValue::Strs(_))
                    | (AttrKind::Type, AttrValue::Type(_))
            );
            if !fits {
                let message = format!("attribute `{name}` of {} must be {:?}, got {value}", self.0.name, def.kind);
                return Err(OpError::invalid(message));
            }
        }
        for def in self.0.attrs {
            let value = match def.default {
                Default::Required if attrs.get(def.name).is_none() => {
                    return Err(OpError::invalid(format!("{} needs the attribute `{}`", self.0.name, def.name)));
                }
                Default::Required | Default::Computed | Default::Absent => continue,
                Default::Int(x) => AttrValue::Int(x),
                Default::Float(x) => AttrValue::Float(x),
                Default::Str(x) => AttrValue::Str(x.into()),
                Default::Ints(x) => AttrValue::Ints(x.to_vec()),
                Default::Type(x) => AttrValue::Type(x),
            };
            if attrs.get(def.name).is_none() {
                attrs.set(def.name, value);
            }
        }
        Ok(())
    }

    /// Checks arity and attributes, then types the outputs. The one entry to inference.
    pub fn infer(
        &self,
        inputs: &[Option<InferInput<'_>>],
        attrs: &mut Attrs,
        outputs: usize,
    ) -> Result<Vec<TensorType>, OpError> {
        let variadic = self.0.inputs.last().is_some_and(|p| p.arity == Arity::Variadic);
        if !variadic && inputs.len() > self.0.inputs.len() {
            let message = format!("{} takes at most {} inputs, got {}", self.0.name, self.0.inputs.len(), inputs.len());
            return Err(OpError::invalid(message));
        }
        for (i, p) in self.0.inputs.iter().enumerate() {
            if p.arity == Arity::One && inputs.get(i).copied().flatten().is_none() {
                return Err(OpError::invalid(format!("{} needs its input `{}`", self.0.name, p.name)));
            }
        }
        self.complete_attrs(attrs)?;
        (self.0.infer)(&mut InferArgs { inputs, attrs, outputs })
    }

    /// Reference evaluation. The one entry to evaluation; attributes must be canonical.
    pub fn eval(&self, inputs: &[Option<&Tensor>], attrs: &Attrs, outputs: usize) -> Result<Vec<Tensor>, OpError> {
        (self.0.eval)(&EvalArgs { inputs, attrs, outputs })
    }
}

impl std::ops::Deref for Op {
    type Target = OpDef;
    fn deref(&self) -> &OpDef {
        self.0
    }
}

impl PartialEq for Op {
    fn eq(&self, other: &Self) -> bool {
        // Names first: comparing empty domains is a call, and matchers compare operators all the time.
        std::ptr::eq(self.0, other.0) || (self.0.name == other.0.name && self.0.domain == other.0.domain)
    }
}

impl Eq for Op {}

impl Hash for Op {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Op {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Op {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{}::{}", self.0.domain, self.0.name))
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let found = text.split_once("::").and_then(|(domain, name)| crate::find_in(domain, name));
        found.ok_or_else(|| serde::de::Error::custom(format!("unknown op `{text}`")))
    }
}
