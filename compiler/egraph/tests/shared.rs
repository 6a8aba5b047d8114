//! Values that are read more than once: each of them is paid once.

mod files;

use qcc_egraph::{CostModel, Options, extract, saturate};
use std::fmt::Write;

/// A network in which every block adds to what it reads, with a gate over its channels.
fn residual(blocks: usize) -> String {
    let mut text = String::from("graph \"residual\" {\n  %x0 = input : f32[1,16,1,24]\n");
    for i in 0..blocks {
        let next = i + 1;
        writeln!(
            text,
            "  %w{i} = rand f32[16,16,1,1] seed={i}\n  %c{i} = Conv(%x{i}, %w{i})\n  %s{i} = Sigmoid(%c{i})\n  \
             %m{i} = Mul(%c{i}, %s{i})\n  %x{next} = Add(%m{i}, %x{i})"
        )
        .expect("it can be written");
    }
    writeln!(text, "  output \"y\" = %x{blocks}\n}}").expect("it can be written");
    text
}

#[test]
fn every_block_of_a_chain_of_residual_sums_costs_the_same() {
    let rules = files::standard();
    let cost = |blocks| {
        let graph = qcc_ir::infer(&qcc_ir::parse(&residual(blocks)).expect("it parses")).expect("it types");
        let saturated = saturate(&graph, &rules, &Options::default()).expect("it saturates");
        extract(&saturated, &CostModel::default()).expect("a graph is chosen").cost_ns
    };
    let (one, two) = (cost(1), cost(2));
    for blocks in [8, 64] {
        let (want, got) = (one + (two - one) * (blocks - 1) as f64, cost(blocks));
        assert!(got <= 1.01 * want, "{blocks} blocks: {got} ns, not {want}");
    }
}
