//! Which graphs compute the samples of a batch apart, and what of the others mixes them.

use qcc_ir::{Bindings, Graph, bind, infer, parse, samples};
use std::fmt::Write;

/// Graphs over `x : f32[N,4,6]`, by the lines between input and output; the last value is `%y`.
const GRAPHS: &[(&str, &str)] = &[
    (
        "elementwise, with what is the same for all",
        "%c = const f32[6] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n%y = Add(%x, %c)",
    ),
    ("a constant for each sample", "%c = const f32[3,1,1] [1.0, 2.0, 3.0]\n%y = Add(%x, %c)"),
    ("a number of how many there are", "%s = Shape(%x)\n%f = Cast(%s) {to: f32}\n%m = ReduceMin(%f)\n%y = Mul(%x, %m)"),
    ("a number of how long they are", "%s = Shape(%x) {start: 1, end: 2}\n%f = Cast(%s) {to: f32}\n%y = Mul(%x, %f)"),
    ("padding that is computed", "%p = const i64[6] [0, 1, 0, 0, 0, 0]\n%q = Neg(%p)\n%r = Neg(%q)\n%y = Pad(%x, %r)"),
    ("a product with weights", "%w = const f32[6,1] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n%y = MatMul(%x, %w)"),
    ("a product of two samples' own", "%t = Transpose(%x) {perm: [0, 2, 1]}\n%y = MatMul(%x, %t)"),
    (
        "a transpose that moves the samples",
        "%t = Transpose(%x) {perm: [1, 0, 2]}\n%y = Transpose(%t) {perm: [1, 0, 2]}",
    ),
    ("a softmax of each sample", "%y = Softmax(%x) {axis: -1}"),
    ("a softmax over samples", "%y = Softmax(%x) {axis: 0}"),
    ("flattened to what is left", "%s = const i64[2] [0, -1]\n%y = Reshape(%x, %s)"),
    ("a shape that follows from the input's", "%s = Shape(%x)\n%y = Reshape(%x, %s)"),
    ("all in one row", "%s = const i64[1] [-1]\n%y = Reshape(%x, %s)"),
    ("rows of several samples", "%s = const i64[3] [-1, 2, 6]\n%y = Reshape(%x, %s)"),
    ("a mean of each sample", "%a = const i64[2] [1, 2]\n%y = ReduceMean(%x, %a) {keepdims: 0}"),
    ("a mean over samples", "%a = const i64[1] [0]\n%m = ReduceMean(%x, %a)\n%y = Sub(%x, %m)"),
    (
        "a mean over axis -3, which is that of samples",
        "%a = const i64[1] [-3]\n%m = ReduceMean(%x, %a)\n%y = Sub(%x, %m)",
    ),
    ("a mean over all", "%m = ReduceMean(%x)\n%y = Sub(%x, %m)"),
    ("codes with one scale", "%s = const f32[] 0.5\n%z = const u8[] 0\n%y = QuantizeLinear(%x, %s, %z)"),
    (
        "codes with a scale for each channel",
        "%s = const f32[4] [0.5, 0.5, 0.5, 1.0]\n%z = const u8[4] [0, 0, 0, 0]\n%y = QuantizeLinear(%x, %s, %z) {axis: 1}",
    ),
    ("codes with a range found at run time", "%y, %s, %z = DynamicQuantizeLinear(%x)"),
    ("a concatenation of channels", "%y = Concat(%x, %x) {axis: 1}"),
    (
        "a concatenation of samples",
        "%c = Concat(%x, %x) {axis: 0}\n%p, %q = Split(%c) {axis: 0, num_outputs: 2}\n%y = Identity(%p)",
    ),
    ("dropout that drops nothing", "%r = const f32[] 0.5\n%t = const bool[] false\n%y = Dropout(%x, %r, %t)"),
    ("a slice of channels", "%a = const i64[1] [1]\n%b = const i64[1] [3]\n%y = Slice(%x, %a, %b, %a)"),
    ("a slice of samples", "%a = const i64[1] [0]\n%b = const i64[1] [2]\n%y = Slice(%x, %a, %b, %a)"),
    ("padding of channels", "%p = const i64[6] [0, 1, 0, 0, 0, 0]\n%y = Pad(%x, %p)"),
    ("padding of samples", "%p = const i64[6] [1, 0, 0, 0, 0, 0]\n%y = Pad(%x, %p)"),
    ("sums from sample to sample", "%a = const i64[] 0\n%y = CumSum(%x, %a)"),
    ("an output that is the same for all", "%y = const f32[3] [1.0, 2.0, 3.0]"),
    ("no batch", "%y = Relu(%x)"),
];

fn graph(lines: &str, batch: usize) -> Graph {
    let body: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("graph \"g\" {{\n  %x = input : f32[N,4,6]\n{body}  output \"y\" = %y\n}}\n");
    let graph = parse(&text).unwrap_or_else(|e| panic!("{lines}: {e:?}"));
    bind(&graph, &Bindings { dims: vec![("N".into(), batch)], shapes: Vec::new() }).expect("it binds")
}

#[test]
fn what_mixes_samples_is_found() {
    let mut said = String::new();
    for (name, lines) in GRAPHS {
        let batch = if *name == "no batch" { 1 } else { 3 };
        let verdict = match (infer(&graph(lines, batch)), infer(&graph(lines, 1))) {
            (Ok(batch), Ok(one)) => match samples::apart(&batch, &one) {
                Ok(apart) => format!("apart, {} weights, {} own", apart.shared, apart.own),
                Err(why) => why,
            },
            (batch, one) => {
                format!("not typed for {} samples", if batch.is_err() { 3 } else { one.err().map_or(3, |_| 1) })
            }
        };
        writeln!(said, "{name}: {verdict}").expect("strings take all");
    }
    insta::assert_snapshot!(said);
}
