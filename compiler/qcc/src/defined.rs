//! Definitions of rule files as the importer takes them.

use qcc_dsl::{Def, TestConst, TestValue};
use qcc_onnx::{CustomCall, Definitions, ExpandedNode, Expansion, Operand};
use qcc_ops::AttrValue;
use qcc_tensor::Tensor;

/// The definitions of a rule set.
pub struct Defined<'a>(pub &'a [Def]);

impl Definitions for Defined<'_> {
    fn defines(&self, domain: &str, op: &str) -> bool {
        self.0.iter().any(|def| def.is(domain, op))
    }

    fn expand(&self, call: &CustomCall<'_>) -> Option<Result<Expansion, String>> {
        // A definition for the very domain comes before one for all.
        let fits = |def: &&Def| def.is(call.domain, call.op);
        let own = self.0.iter().filter(fits).find(|d| d.domain.is_some());
        let def = own.or_else(|| self.0.iter().find(fits))?;
        let attrs: Vec<(String, AttrValue)> = call.attrs.iter().map(|(n, v)| (n.to_string(), v.clone())).collect();
        Some(def.expand(&attrs, call.dtypes).and_then(|graph| {
            let nodes = graph.nodes.into_iter().map(|node| {
                let inputs = node.inputs.into_iter().map(|v| v.map(operand).transpose());
                Ok(ExpandedNode {
                    op: node.op,
                    attrs: node.attrs.into_iter().collect(),
                    inputs: inputs.collect::<Result<_, String>>()?,
                    outputs: node.outputs,
                })
            });
            let nodes = nodes.collect::<Result<_, String>>()?;
            let output = graph.outputs.into_iter().next().ok_or("the definition has no result")?;
            Ok(Expansion { nodes, output: operand(output)? })
        }))
    }
}

fn operand(value: TestValue) -> Result<Operand, String> {
    match value {
        TestValue::Input(i) => Ok(Operand::Input(i)),
        TestValue::Node(i, output) => Ok(Operand::Node(i, output)),
        TestValue::Const(TestConst::Values(ty, values)) => {
            let elements = ty.elements();
            let values = if values.len() == 1 { vec![values[0]; elements] } else { values };
            Ok(Operand::Constant(Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), &values)))
        }
        TestValue::Const(_) => Err("a definition has no random numbers".into()),
    }
}
