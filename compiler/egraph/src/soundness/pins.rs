//! What the guards of a rule demand of its variables.

use qcc_dsl::VarId;
use qcc_ops::AttrValue;
use qcc_tensor::DType;
use std::collections::BTreeMap;

/// Demands on one tensor variable; what is not said is free.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pin {
    /// Whether it is a constant.
    pub(crate) constant: Option<bool>,
    /// Whether an optional input is there.
    pub(crate) present: Option<bool>,
    /// Must not contain an accumulator.
    pub(crate) closed: bool,
    /// Element type.
    pub(crate) dtype: Option<DType>,
    /// Shape.
    pub(crate) shape: Option<Vec<usize>>,
    /// Number of axes.
    pub(crate) rank: Option<usize>,
    /// Number of elements.
    pub(crate) elements: Option<usize>,
    /// Contents.
    pub(crate) value: Option<Vec<f64>>,
    /// Number of values of a variadic variable.
    pub(crate) count: Option<usize>,
}

/// Demands on all variables of a rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pins {
    /// Tensor variables.
    pub(crate) tensors: BTreeMap<VarId, Pin>,
    /// Variables of attributes, and attributes of bundles.
    pub(crate) attrs: BTreeMap<(VarId, String), AttrValue>,
}

impl Pins {
    /// Demands on a tensor variable, to be changed.
    pub(crate) fn tensor(&mut self, var: VarId) -> &mut Pin {
        self.tensors.entry(var).or_default()
    }

    /// Forgets what was computed from one particular case.
    pub(crate) fn forget_values(&mut self) {
        self.attrs.clear();
        for pin in self.tensors.values_mut() {
            let Pin { constant, present, closed, .. } = *pin;
            *pin = Pin { constant, present, closed, ..Pin::default() };
        }
    }
}
