//! Op calls that are typed and evaluated one after the other, when their inputs are there.
//!
//! A model whose shapes follow from its data (`NonZero`, `NonMaxSuppression`, a `Reshape` to a computed shape, `Loop`)
//! cannot be typed before it runs. What can be typed is compiled; the rest is a [`Block`], which runs on the reference
//! evaluation. Nested graphs of control flow are blocks, too.

use crate::control::{if_, loop_, scan};
use crate::{Attrs, Budget, InferInput, Op, OpError};
use qcc_tensor::{Tensor, TensorType};
use serde::{Deserialize, Serialize};

/// Calls in an order in which every value is defined before it is read. Values are numbered: first the inputs, then the
/// constants, then the outputs of the calls in order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Block {
    /// Number of inputs.
    pub inputs: u32,
    /// Constants.
    pub constants: Vec<Tensor>,
    /// The calls.
    pub calls: Vec<Call>,
    /// The results, by the number of their value.
    pub outputs: Vec<u32>,
}

/// One op call of a [`Block`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// Name of the node, for messages.
    pub name: String,
    /// The op.
    pub op: Op,
    /// Its attributes as the model gives them.
    pub attrs: Attrs,
    /// Inputs by number; `None` where an optional input is absent.
    pub inputs: Vec<Option<u32>>,
    /// Number of outputs.
    pub outputs: u32,
    /// Nested graphs, in the order of the op.
    #[serde(deserialize_with = "crate::nesting::within")]
    pub regions: Vec<Block>,
}

/// Depth of nested graphs that are run: far beyond real models, far below what the stack holds.
const DEPTH: usize = 32;

impl Block {
    /// Checks that every value is defined before it is read.
    ///
    /// # Errors
    /// The first violation, in words.
    pub fn check(&self) -> Result<(), String> {
        self.check_nested(0)
    }

    fn check_nested(&self, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("nested graphs are deeper than {DEPTH}"));
        }
        let mut defined = u64::from(self.inputs) + self.constants.len() as u64;
        for call in &self.calls {
            if let Some(v) = call.inputs.iter().flatten().find(|&&v| u64::from(v) >= defined) {
                return Err(format!("`{}` reads value {v}, {defined} are defined", call.name));
            }
            call.regions.iter().try_for_each(|region| region.check_nested(depth + 1))?;
            defined += u64::from(call.outputs);
        }
        match self.outputs.iter().find(|&&v| u64::from(v) >= defined) {
            Some(v) => Err(format!("the result {v} is not among the {defined} values")),
            None => Ok(()),
        }
    }

    /// Runs the calls in order, within what is left to the run.
    ///
    /// # Errors
    /// A call that cannot be typed or evaluated, or that takes more than is left, with the name of its node.
    pub fn run(&self, inputs: Vec<Tensor>, budget: &mut Budget) -> Result<Vec<Tensor>, OpError> {
        if inputs.len() != self.inputs as usize {
            let message = format!("a nested graph takes {} values, {} were given", self.inputs, inputs.len());
            return Err(OpError::invalid(message));
        }
        self.check().map_err(OpError::Invalid)?;
        let last = self.last_uses();
        let mut values: Vec<Option<Tensor>> =
            inputs.into_iter().chain(self.constants.iter().cloned()).map(Some).collect();
        for (position, call) in self.calls.iter().enumerate() {
            let given: Vec<Option<Tensor>> =
                call.inputs.iter().map(|v| v.and_then(|v| values[v as usize].clone())).collect();
            for v in call.inputs.iter().flatten().filter(|&&v| last[v as usize] == position) {
                values[*v as usize] = None;
            }
            let results = call.run(given, budget).map_err(|e| e.of_node(&call.name, call.op.name))?;
            values.extend(results.into_iter().map(Some));
        }
        let missing = || OpError::invalid("a result was not computed");
        self.outputs.iter().map(|&v| values[v as usize].clone().ok_or_else(missing)).collect()
    }

    /// Position of the last call that reads each value; results are needed to the end.
    fn last_uses(&self) -> Vec<usize> {
        let values =
            self.inputs as usize + self.constants.len() + self.calls.iter().map(|c| c.outputs as usize).sum::<usize>();
        let mut last = vec![usize::MAX; values];
        for (position, call) in self.calls.iter().enumerate() {
            call.inputs.iter().flatten().for_each(|&v| last[v as usize] = position);
        }
        self.outputs.iter().for_each(|&v| last[v as usize] = usize::MAX);
        last
    }
}

impl Call {
    fn run(&self, given: Vec<Option<Tensor>>, budget: &mut Budget) -> Result<Vec<Tensor>, OpError> {
        let results = match (self.op.name, &self.regions[..]) {
            ("If", [then_branch, else_branch]) => if_::run(given, [then_branch, else_branch], budget)?,
            ("Loop", [body]) => loop_::run(given, &self.attrs, self.outputs as usize, body, budget)?,
            ("Scan", [body]) => scan::run(given, &self.attrs, self.outputs as usize, body, budget)?,
            (_, []) => self.evaluate(&given, budget)?,
            _ => return Err(OpError::unsupported("its nested graphs")),
        };
        if results.len() < self.outputs as usize {
            return Err(OpError::invalid(format!("it has {} outputs, its op gives {}", self.outputs, results.len())));
        }
        Ok(results.into_iter().take(self.outputs as usize).collect())
    }

    fn evaluate(&self, given: &[Option<Tensor>], budget: &mut Budget) -> Result<Vec<Tensor>, OpError> {
        let inputs: Vec<Option<&Tensor>> = given.iter().map(Option::as_ref).collect();
        let typed: Vec<Option<InferInput<'_>>> =
            inputs.iter().map(|t| t.map(|t| InferInput { ty: t.ty(), value: Some(t) })).collect();
        let mut attrs = self.attrs.clone();
        let types = self.op.infer(&typed, &mut attrs, self.outputs as usize)?;
        let read: Vec<Option<&TensorType>> = inputs.iter().map(|t| t.map(Tensor::ty)).collect();
        let elements = read.iter().copied().flatten().chain(&types).map(|ty| ty.elements() as u64);
        budget.spend(elements.fold((self.op.macs)(&read, &types, &attrs), u64::saturating_add))?;
        types.iter().try_for_each(|ty| budget.fits(ty.bytes()))?;
        let results = self.op.eval(&inputs, &attrs, self.outputs as usize)?;
        for (result, ty) in results.iter().zip(&types) {
            if result.ty() != ty {
                return Err(OpError::invalid(format!("the result is {}, {ty} was expected", result.ty())));
            }
        }
        Ok(results)
    }
}
