//! The cheapest graph within an error budget, on graphs whose alternatives differ in time and noise.

mod files;

use qcc_dsl::RuleSet;
use qcc_egraph::{CostModel, Frontier, Noisy, Options, Saturated, saturate};
use qcc_ir::{Dim, Graph, InputNode, OpNode, ValueId};
use qcc_ops::Attrs;
use qcc_tensor::{DType, Tensor};

const RULES: &str = r#"
module within
import onnx::*
import qcc::*

/// A value is itself.
@exact
rule exactly in precision: Approximate(x, _) => x

/// What may stand for it.
@lossy("what was measured")
rule approximately in precision: Approximate(_, y) => y

/// A transposed constant is a constant.
@exact
rule fold in precision: t @ Transpose(x) { perm: _ } => constant(t) if const(x) else "a run-time value"
"#;

fn rules() -> RuleSet {
    files::text(RULES)
}

struct Builder(Graph);

impl Builder {
    fn op(&mut self, name: &str, inputs: &[ValueId]) -> ValueId {
        let op = qcc_ops::find(name).expect("an operator");
        let inputs = inputs.iter().map(|v| Some(*v)).collect();
        let node = OpNode { name: String::new(), op, attrs: Attrs::new(), inputs, outputs: 1, regions: Vec::new() };
        self.0.add_op(node).output(0)
    }

    fn weights(&mut self, seed: usize) -> ValueId {
        let values = (0..64 * 64).map(|i| ((i * 31 + seed * 7) % 17) as f32 - 8.0).collect();
        self.0.add_const(Tensor::new([64, 64], values))
    }
}

/// Products of two matrices each, for each of which one product may stand; every second one's matrix is transposed.
fn products(count: usize) -> (Graph, Vec<ValueId>) {
    let mut b = Builder(Graph::new("products"));
    let dims = Some(vec![Dim::Known(32), Dim::Known(64)]);
    let mut x = b.0.add_input(InputNode { name: "x".into(), dtype: DType::F32, dims });
    let mut noisy = Vec::new();
    for step in 0..count {
        let (first, second, one) = (b.weights(3 * step), b.weights(3 * step + 1), b.weights(3 * step + 2));
        let product = b.op("MatMul", &[x, first]);
        let exact = b.op("MatMul", &[product, second]);
        let read = if step % 2 == 1 { b.op("Transpose", &[one]) } else { one };
        let approximate = b.op("MatMul", &[x, read]);
        x = b.op("Approximate", &[exact, approximate]);
        noisy.push(one);
    }
    b.0.add_output("y", x);
    (b.0, noisy)
}

/// As many products as there are noises.
fn saturated(noises: &[f64]) -> (Saturated, Frontier) {
    let (graph, constants) = products(noises.len());
    let options = Options { lossy: true, ..Options::default() };
    let typed = qcc_ir::infer(&graph).expect("it is typed");
    let saturated = saturate(&typed, &rules(), &options).expect("it saturates");
    let noisy = constants.iter().zip(noises).map(|(&constant, &noise)| Noisy { constant, noise });
    (saturated, Frontier::new(noisy.collect()))
}

#[test]
fn noise_is_spent_where_the_budget_allows_it() {
    let (saturated, mut frontier) = saturated(&[0.3, 0.1]);
    let mut used = |budget: f64| {
        let found = frontier.within(&saturated, &CostModel::default(), budget).expect("it can be chosen");
        (found.used, found.cost_ns)
    };
    let (none, most) = used(0.05);
    let (second, less) = used(0.2);
    let (both, least) = used(0.5);
    assert_eq!((none, second, both), (vec![false, false], vec![false, true], vec![true, true]));
    assert!(most > less && less > least, "{most} {less} {least}");
}

#[test]
fn what_is_left_of_a_budget_between_two_prices_is_spent() {
    // The first and the third are worth the same price: extraction takes none or both.
    let (saturated, mut frontier) = saturated(&[0.2, 0.01, 0.2]);
    let mut used = |budget: f64| {
        let found = frontier.within(&saturated, &CostModel::default(), budget).expect("it can be chosen");
        (found.used.iter().filter(|used| **used).count(), found.cost_ns)
    };
    let ((one, most), (two, less), (three, least)) = (used(0.1), used(0.3), used(0.5));
    assert_eq!((one, two, three), (1, 2, 3));
    assert!(most > less && less > least, "{most} {less} {least}");
}

#[test]
fn what_was_found_for_other_budgets_changes_nothing() {
    let (saturated, mut frontier) = self::saturated(&[0.3, 0.1]);
    for budget in [0.2, 0.5, 0.05, 0.3, 0.01, 0.2] {
        let found = frontier.within(&saturated, &CostModel::default(), budget).expect("it can be chosen");
        let (_, mut fresh) = self::saturated(&[0.3, 0.1]);
        let alone = fresh.within(&saturated, &CostModel::default(), budget).expect("it can be chosen");
        assert_eq!(found.used, alone.used, "{budget}");
    }
}

#[test]
fn without_lossy_rules_there_is_nothing_to_spend() {
    let (graph, _) = products(2);
    let typed = qcc_ir::infer(&graph).expect("it is typed");
    let saturated = saturate(&typed, &rules(), &Options::default()).expect("it saturates");
    assert_eq!(saturated.report().rule("approximately").map(|r| r.applied), Some(0));
    assert_eq!(saturated.report().rule("exactly").map(|r| r.applied), Some(2));
}
