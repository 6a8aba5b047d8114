//! Every optimization is a rule: with a rule file removed its optimization is gone, and the answers stay.

use qcc::model::Model;
use qcc::pipeline::{self, Compiled};
use qcc::standard_rules::{self, Selection, Standard};
use qcc_ir::{Bindings, Graph, Node};
use qcc_lower::Target;
use qcc_session::Engine;
use qcc_tensor::Tensor;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Batch-norms, dropout, identities, shape arithmetic, pads, explicit quantization: something for every file.
const MODEL: &str = "fashion_resnet_qat_bn.onnx";

/// A claim about the ops of a chosen graph.
type Holds = fn(&BTreeMap<String, usize>) -> bool;

fn compiled(name: &str, selection: &Selection) -> Compiled {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/models")).join(name);
    let Model::Graph(graph) = Model::open(&path).expect("the model imports") else { panic!("it is no artifact") };
    let (rules, _) = standard_rules::compile(selection).expect("the rules are sound");
    pipeline::compile(&graph, &Bindings::default(), &rules, Target::host(), &mut |_| ()).expect("the model compiles")
}

fn without(file: &str) -> Selection {
    Selection { without: vec![format!("{file}.rules")], ..Selection::default() }
}

fn logits(compiled: &Compiled) -> Tensor {
    let images = Tensor::new([1, 1, 28, 28], (0..784).map(|i| (i * 31 % 256) as f32 / 255.0).collect());
    let mut session = pipeline::session(&compiled.program, 1, Engine::Jit).expect("the program is sound");
    session.run(&[images]).expect("it runs").remove(0)
}

/// How often each op stands in the chosen graph outside of kernels' bodies; kernels count under their core's name and as
/// `kernel`, the ops of their bodies under `in body`.
fn ops(compiled: &Compiled) -> BTreeMap<String, usize> {
    fn add(graph: &Graph, prefix: &str, out: &mut BTreeMap<String, usize>) {
        for id in graph.node_ids() {
            match graph.node(id) {
                Node::Op(n) => *out.entry(format!("{prefix}{}", n.op.name)).or_default() += 1,
                Node::Fused(n) => {
                    let core = n.core.as_ref().map_or("map", |c| c.op.name);
                    *out.entry(core.to_string()).or_default() += 1;
                    *out.entry("kernel".into()).or_default() += 1;
                    add(&n.body, "in body ", out);
                }
                Node::Input(_) | Node::Const(_) => {}
            }
        }
    }
    let mut out = BTreeMap::new();
    add(compiled.chosen.graph.graph(), "", &mut out);
    out
}

fn count(ops: &BTreeMap<String, usize>, name: &str) -> usize {
    ops.get(name).copied().unwrap_or(0)
}

#[test]
fn answers_do_not_depend_on_the_rules() {
    let expected = logits(&compiled(MODEL, &Selection::default())).to_f64_vec();
    let files =
        ["cleanup", "fold", "norm", "linear", "layout", "quantize", "integer", "requantize", "fuse", "table", "flip"];
    let mut selections: Vec<Selection> = files.iter().map(|f| without(f)).collect();
    selections.push(Selection { standard: Standard::Omit, ..Selection::default() });
    for selection in selections {
        let got = logits(&compiled(MODEL, &selection)).to_f64_vec();
        // A rounding tie that falls the other way moves a logit by about a step of the last layer.
        let distance = got.iter().zip(&expected).map(|(g, e)| (g - e).abs()).fold(0.0, f64::max);
        assert!(distance < 0.1, "{selection:?}: logits move by {distance}");
    }
}

/// Convolutions on integers, transformed or not.
fn convolutions(ops: &BTreeMap<String, usize>) -> usize {
    count(ops, "IConv") + count(ops, "IWinograd")
}

#[test]
fn with_all_rules_only_kernels_are_left() {
    let ops = ops(&compiled(MODEL, &Selection::default()));
    for gone in [
        "BatchNormalization",
        "Dropout",
        "Identity",
        "Pad",
        "Shape",
        "Gather",
        "Concat",
        "Relu",
        "Clip",
        "Transpose",
        "DequantizeLinear",
        "Conv",
        "Gemm",
        "MatMul",
        "Add",
    ] {
        assert_eq!(count(&ops, gone), 0, "{gone} is left: {ops:?}");
    }
    assert_eq!(count(&ops, "QuantizeLinear"), 1, "the image is quantized once: {ops:?}");
    assert_eq!(convolutions(&ops), 10, "{ops:?}");
}

#[test]
fn the_float_network_keeps_no_trace_of_training() {
    let ops = ops(&compiled("fashion_resnet.onnx", &Selection::default()));
    for gone in
        ["BatchNormalization", "Dropout", "Identity", "Pad", "Shape", "Gather", "Concat", "Slice", "Relu", "Add"]
    {
        assert_eq!(count(&ops, gone), 0, "{gone} is left: {ops:?}");
    }
}

#[test]
fn without_its_file_an_optimization_is_gone_and_the_others_stay() {
    let cases: [(&str, &str, Holds); 9] = [
        ("cleanup", "identities and dropout stay", |o| count(o, "Identity") == 2 && count(o, "Dropout") == 1),
        ("fold", "weights are dequantized at run time", |o| count(o, "DequantizeLinear") >= 10),
        ("norm", "batch-norms stay", |o| count(o, "BatchNormalization") == 10),
        ("linear", "the classifier stays a Gemm", |o| count(o, "Gemm") == 1),
        ("quantize", "rectifiers stay", |o| count(o, "in body Relu") + count(o, "Relu") == 9),
        ("integer", "convolutions stay float", |o| convolutions(o) == 0 && count(o, "Conv") > 0),
        ("winograd", "all convolutions multiply tap by tap", |o| count(o, "IConv") == 10),
        ("requantize", "nothing is requantized", |o| count(o, "in body Requantize") + count(o, "Requantize") == 0),
        ("fuse", "there are no fused kernels", |o| count(o, "kernel") == 0),
    ];
    for (file, claim, holds) in cases {
        let ops = ops(&compiled(MODEL, &without(file)));
        assert!(holds(&ops), "without {file}.rules {claim}: {ops:?}");
        if !matches!(file, "integer" | "fold") {
            // The first one reads one channel; behind floats that are padded it is no slower with floats.
            let least = if file == "quantize" { 9 } else { 10 };
            assert!(convolutions(&ops) >= least, "without {file}.rules convolutions are still integer: {ops:?}");
        }
    }
    let nchw = compiled(MODEL, &without("layout"));
    let text = qcc_ir::print(&nchw.chosen.graph);
    assert!(!text.contains("NHWC") && text.contains("NCHW"), "without layout.rules channels stay first");
}
