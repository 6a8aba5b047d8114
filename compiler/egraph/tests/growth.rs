//! The e-graph of a chain of quantized residual blocks grows with its length, not with the square of it.

mod files;

use qcc_egraph::rule_test::kernels;
use qcc_egraph::{CostModel, Options, Stop, extract, saturate};
use std::fmt::Write;

/// Blocks of two quantized convolutions and a shortcut.
fn chain(blocks: usize) -> String {
    let mut text = String::from("graph \"chain\" {\n  %x = input : u8[1,8,8,8]\n");
    let mut line = |s: String| writeln!(text, "  {s}").expect("it can be written");
    for (name, value) in
        [("w", "rand i8[8,8,3,3] seed=1"), ("sw", "const f32[8] [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]")]
    {
        line(format!("%{name} = {value}"));
    }
    line("%zw = const i8[8] [0, 0, 0, 0, 0, 0, 0, 0]".into());
    line("%s = const f32[] 0.05".into());
    line("%z = const u8[] 12".into());
    line("%d0 = DequantizeLinear(%x, %s, %z)".into());
    for i in 0..blocks {
        let mut read = format!("%d{i}");
        for half in ["a", "b"] {
            let scale = format!("%s{half}{i}");
            line(format!("{scale} = const f32[] {}", 0.1 + 0.001 * i as f64 + if half == "a" { 0.0 } else { 0.01 }));
            line(format!("%w{half}{i} = DequantizeLinear(%w, %sw, %zw) {{axis: 0}}"));
            line(format!("%c{half}{i} = Conv({read}, %w{half}{i}) {{pads: [1, 1, 1, 1]}}"));
            line(format!("%q{half}{i} = QuantizeLinear(%c{half}{i}, {scale}, %z)"));
            line(format!("%d{half}{i} = DequantizeLinear(%q{half}{i}, {scale}, %z)"));
            read = format!("%d{half}{i}");
        }
        line(format!("%a{i} = Add({read}, %d{i})"));
        line(format!("%r{i} = Relu(%a{i})"));
        line(format!("%so{i} = const f32[] {}", 0.2 + 0.001 * i as f64));
        line(format!("%q{i} = QuantizeLinear(%r{i}, %so{i}, %z)"));
        line(format!("%d{} = DequantizeLinear(%q{i}, %so{i}, %z)", i + 1));
    }
    line(format!("output \"y\" = %d{blocks}"));
    text + "}\n"
}

#[test]
fn growth_is_linear_in_depth() {
    let rules = files::standard();
    let mut nodes = Vec::new();
    for blocks in [4, 8, 16] {
        let graph = qcc_ir::infer(&qcc_ir::parse(&chain(blocks)).expect("it is well-formed")).expect("it can be typed");
        let saturated = saturate(&graph, &rules, &Options::default()).expect("it saturates");
        let report = saturated.report();
        assert!(report.steps.iter().all(|s| s.stop == Stop::Saturated), "{blocks} blocks: {report}");
        let chosen = extract(&saturated, &CostModel::default()).expect("a graph is chosen");
        // One kernel for each convolution, shortcuts included; the transposes and the dequantization at the ends.
        assert!(kernels(chosen.graph.graph()) <= 2 * blocks as u64 + 3, "{}", qcc_ir::print(&chosen.graph));
        nodes.push(report.nodes);
    }
    let (first, second) = (nodes[1] - nodes[0], nodes[2] - nodes[1]);
    assert!(second <= 2 * first + first / 10, "4, 8 and 16 blocks have {nodes:?} nodes");
    assert!(nodes[2] <= 16 * NODES_PER_BLOCK, "4, 8 and 16 blocks have {nodes:?} nodes");
}

/// A block has 13 operators; the rules find some hundred forms of each, most of them bodies of kernels.
const NODES_PER_BLOCK: usize = 1500;
