//! Values that are read more than once: each of them is paid once.

mod files;

use qcc_egraph::{CostModel, Options, extract, saturate};
use std::fmt::Write;

/// A network whose blocks gate their channels and add what they read.
fn gated(blocks: usize) -> String {
    let mut text = String::from("graph \"gated\" {\n  %x0 = input : f32[1,16,4,24]\n");
    for i in 0..blocks {
        let next = i + 1;
        writeln!(
            text,
            "  %w{i} = rand f32[16,16,3,3] seed={i}\n  %c{i} = Conv(%x{i}, %w{i}) {{pads: [1,1,1,1]}}\n  \
             %p{i} = GlobalAveragePool(%c{i})\n  %v{i} = rand f32[16,16,1,1] seed={i}\n  %q{i} = Conv(%p{i}, %v{i})\n  \
             %s{i} = Sigmoid(%q{i})\n  %m{i} = Mul(%c{i}, %s{i})\n  %x{next} = Add(%m{i}, %x{i})"
        )
        .expect("it can be written");
    }
    writeln!(text, "  output \"y\" = %x{blocks}\n}}").expect("it can be written");
    text
}

/// Climbing from costs of trees alone ends 2.8 % above the bound.
#[test]
fn a_chain_of_gated_residual_blocks_is_near_its_bound() {
    let graph = qcc_ir::infer(&qcc_ir::parse(&gated(12)).expect("it parses")).expect("it types");
    let saturated = saturate(&graph, &files::standard(), &Options::default()).expect("it saturates");
    let chosen = extract(&saturated, &CostModel::default()).expect("a graph is chosen");
    let (cost, bound) = (chosen.cost_ns, chosen.lower_bound_ns);
    assert!(cost <= 1.02 * bound, "{cost} ns, at least {bound} ns");
}
