//! The text form: what is printed can be read, reading what was read prints the same, mistakes are pointed at.

use qcc_diag::{SourceMap, render};
use qcc_ir::{bind, infer, parse, print, print_graph};

/// Texts in canonical form: parsing and printing gives them back.
const ROUND_TRIPS: &[(&str, &str)] = &[
    ("an empty graph", "graph \"\" {\n}\n"),
    (
        "inputs with known, symbolic, unnamed and unknown dimensions",
        r#"graph "g" {
  %a = input : f32[1,3]
  %b = input : u8[N,?]
  %0 = input "serving:0" : i64["batch size",2]
  %c = input : bool[...]
  %d = input : f16[]
}
"#,
    ),
    (
        "free texts of the model",
        r#"graph "g" {
  meta "labels" = "cat\ndog \"x\" \\"
  meta "é" = "\u{1}"
}
"#,
    ),
    (
        "small constants of every element type",
        r#"graph "g" {
  %0 = const f32[2] [1.5, -0.0]
  %1 = const f32[] 1e-5
  %2 = const f64[1] [0.1]
  %3 = const f16[2] [0.5, inf]
  %4 = const bf16[1] [-inf]
  %5 = const i8[2] [-128, 127]
  %6 = const u8[0] []
  %7 = const i16[1] [-1]
  %8 = const u16[1] [65535]
  %9 = const i32[2,1] [1, 2]
  %10 = const u32[1] [4294967295]
  %11 = const i64[1] [-9223372036854775808]
  %12 = const u64[1] [18446744073709551615]
  %13 = const bool[2] [true, false]
  %14 = const f32[1] [NaN]
}
"#,
    ),
    (
        "absent inputs, attributes of every kind, names, several outputs",
        r#"graph "g" {
  %x = input : f32[1,4,8,8]
  %0 = const f32[] 6.0
  %1 = Clip(%x, _, %0)  // /features/0 (relu6)
  %2, %3 = Split(%1) {axis: 1, num_outputs: 2}  // split
  %4 = Cast(%2) {to: f16}
  %5 = Transpose(%3) {perm: [0, 2, 3, 1]}
  %6 = LeakyRelu(%5) {alpha: 0.1}
  %7 = AveragePool(%x) {auto_pad: "SAME_UPPER", kernel_shape: [3, 3]}
  output "half" = %4
  output "nhwc" = %6
}
"#,
    ),
    (
        "nested graphs",
        r#"graph "g" {
  %c = input : bool[]
  %x = input : f32[2]
  %0 = If(%c, %x)  // branch
    region "then" {
      %x = input : f32[...]
      %0 = Relu(%x)
      output "y" = %0
    }
    region "else" {
      %x = input : f32[...]
      %0 = const f32[2] [1.0, 2.0]
      output "y" = %0
    }
  output "y" = %0
}
"#,
    ),
    (
        "fused kernels with and without a core",
        r#"graph "g" {
  %x = input : f32[1,4]
  %w = input : f32[4,2]
  %b = input : f32[2]
  %0 = fused MatMul(%x, %w) with (%b)  // fc
    region "" {
      %acc = input : f32[...]
      %b = input : f32[...]
      %0 = Add(%acc, %b)
      %1 = Relu(%0)
      output "y" = %1
    }
  %1 = fused with (%0, %b)
    region "" {
      %0 = input : f32[...]
      %1 = input : f32[...]
      %2 = Mul(%0, %1)
      output "y" = %2
    }
  output "y" = %1
}
"#,
    ),
];

#[test]
fn printing_what_was_parsed_gives_the_text_back() {
    for (claim, text) in ROUND_TRIPS {
        let graph = parse(text).unwrap_or_else(|e| panic!("{claim}: {}", shown(text, &e)));
        assert_eq!(print_graph(&graph), *text, "{claim}");
    }
}

#[test]
fn types_are_printed_and_parsed_text_can_be_inferred() {
    let text = r#"graph "g" {
  %x = input : f32[1,3,4,4]
  // A comment of its own line is no name.
  %w = rand f32[8,3,1,1] seed=7
  %z = zeros f32[8]
  %y = Conv(%x, %w, %z) : f32[1,8,4,4]
  output "y" = %y
}"#;
    let graph = parse(text).unwrap_or_else(|e| panic!("{}", shown(text, &e)));
    let typed = infer(&bind(&graph, &Default::default()).expect("shapes are known")).expect("the graph is sound");
    insta::assert_snapshot!("typed", print(&typed));
}

#[test]
fn a_constant_hashes_by_type_and_content() {
    let hash = |text: &str| {
        let graph = parse(&format!("graph {{ %0 = {text} }}")).expect("a constant");
        print_graph(&graph).split('#').nth(1).expect("a hash").to_string()
    };
    assert_eq!(hash("rand i8[16] seed=1"), hash("rand i8[16] seed=1"));
    assert_ne!(hash("rand i8[16] seed=1"), hash("rand i8[16] seed=2"));
    assert_ne!(hash("zeros i8[16]"), hash("zeros u8[16]"));
    assert_ne!(hash("zeros i8[16]"), hash("zeros i8[4,4]"));
}

#[test]
fn mistakes_are_pointed_at() {
    let cases = [
        "graph { %0 = const f32[9] #9a3b21f06c7d1e54 }",
        "graph { %0 = Relu(%x) }",
        "graph { %x = input : f32[1] %x = Relu(%x) }",
        "graph { %0 = Conf() }",
        "graph { %x = input : f33[1] }",
        "graph { %0 = const i8[2] [1, 300] }",
        "graph { %0 = const i8[2] [1] }",
        "graph { %0 = zeros f32[99999999999,99999999999] }",
        "graph { %x = input : f32[1] %0 = Relu(%x) {alpha: 1} }",
        "graph { %x = input : f32[1] %0 = Flatten(%x) {axis: 1.5} }",
        "graph { %x, %y = input : f32[1] }",
        "graph { output \"y = %x }",
        "graph { $ }",
        "graph {",
        "",
    ];
    let all: Vec<String> = cases.iter().map(|text| shown(text, &parse(text).expect_err("a mistake"))).collect();
    insta::assert_snapshot!("mistakes", all.join("\n\n"));
}

#[test]
fn damaged_texts_never_panic() {
    for (_, text) in ROUND_TRIPS {
        for at in (0..text.len()).filter(|&i| text.is_char_boundary(i)) {
            let _ = parse(&text[..at]);
            for c in ["%", "\"", "{", "]", "é", "9", "//"] {
                let _ = parse(&format!("{}{c}{}", &text[..at], &text[at..]));
            }
        }
    }
}

fn shown(text: &str, diagnostic: &qcc_diag::Diagnostic) -> String {
    let mut sources = SourceMap::default();
    sources.add("test.qir", text);
    render(diagnostic, &sources)
}
