//! Graphs of one kernel each, in which the units of work stand in different proportions.

/// The text forms of the graphs.
pub fn cases() -> Vec<String> {
    let mut cases = Vec::new();
    for (size, filters, kernel) in [
        ([56, 56, 16], 96, 1),
        ([28, 28, 64], 64, 1),
        ([14, 14, 256], 256, 1),
        ([28, 28, 144], 24, 1),
        ([16, 16, 32], 32, 3),
        ([7, 7, 960], 160, 1),
        ([1, 1, 1280], 1000, 1),
    ] {
        let shape = [filters, size[2], kernel, kernel];
        cases.push(integer_convolution(size, shape, 1, 1, &format!("rand i8[{}] seed=1", list(&shape))));
        cases.push(integer_convolution(size, shape, 1, 1, &constant("i8", &shape, codes(shape.iter().product()))));
    }
    for (size, filters) in [([34, 34, 16], 16), ([18, 18, 64], 64), ([10, 10, 128], 128), ([6, 6, 64], 64)] {
        cases.push(tiled_convolution(size, filters));
    }
    for (size, kernel, stride) in
        [([58, 58, 96], 3, 1), ([57, 57, 96], 3, 2), ([32, 32, 240], 5, 1), ([31, 31, 240], 5, 2), ([9, 9, 960], 3, 1)]
    {
        let shape = [size[2], 1, kernel, kernel];
        let weights = format!("rand i8[{}] seed=2", list(&shape));
        cases.push(integer_convolution(size, shape, stride, size[2], &weights));
        let weights = format!("rand f32[{}] seed=2", list(&shape));
        cases.push(float_convolution(size, shape, stride, size[2], &weights));
    }
    for (size, filters, kernel) in [([28, 28, 64], 64, 3), ([16, 16, 16], 16, 3), ([58, 58, 8], 8, 3)] {
        let shape = [filters, size[2], kernel, kernel];
        cases.push(float_convolution(size, shape, 1, 1, &format!("rand f32[{}] seed=3", list(&shape))));
    }
    for [m, k, n] in [[784, 64, 64], [196, 256, 256], [49, 960, 160], [3136, 16, 96], [128, 384, 1536], [1, 1024, 1000]]
    {
        cases.push(graph(
            &[&format!("f32[{m},{k}]")],
            &format!("  %w = rand f32[{k},{n}] seed=4\n"),
            "MatMul(%x0, %w)",
        ));
    }
    for [m, k, n] in [[1, 1024, 1000], [4, 256, 512]] {
        let constants = format!("  %w = rand i8[{k},{n}] seed=7\n  %s = rand f32[{n}] seed=8\n");
        let call = "CodedMatMul(%x0, %w, %s) {axis: 1, block_size: 0}";
        cases.push(graph(&[&format!("f32[{m},{k}]")], &constants, call));
    }
    for size in ["1,28,28,64", "1,112,112,32"] {
        let codes = format!("u8[{size}]");
        let floats = format!("f32[{size}]");
        let sums = format!("i32[{size}]");
        let codes = codes.as_str();
        let window = r#"{kernel_shape: [3, 3], layout: "NHWC", strides: [1, 1]}"#;
        let scale = "  %s = const f32[] 0.02\n  %z = const u8[] 7\n";
        let table = "  %t = rand u8[256] seed=5\n";
        cases.push(graph(&[codes], "", &format!("MaxPool(%x0) {window}")));
        cases.push(graph(&[codes], "", "Transpose(%x0) {perm: [0, 3, 1, 2]}"));
        cases.push(graph(&[codes], table, "Lookup(%x0, %t)"));
        cases.push(graph(&[codes], scale, "DequantizeLinear(%x0, %s, %z)"));
        cases.push(graph(&[&sums], scale, "Requantize(%x0, %s, %z) {dtype: u8}"));
        cases.push(graph(&[&floats], scale, "QuantizeLinear(%x0, %s, %z)"));
        for call in ["Relu(%x0)", "HardSwish(%x0)", "Sqrt(%x0)", "Sigmoid(%x0)", "Transpose(%x0) {perm: [0, 3, 1, 2]}"]
        {
            cases.push(graph(&[&floats], "", call));
        }
        for call in ["Add(%x0, %x1)", "Div(%x0, %x1)"] {
            cases.push(graph(&[&floats, &floats], "", call));
        }
    }
    cases.push(graph(&["f32[8]"], "", "Relu(%x0)"));
    cases.push(graph(&["f32[64,128]"], "  %a = const i64[1] [-1]\n", "ReduceSum(%x0, %a) {keepdims: 1}"));
    cases.push(graph(&["bool[8192]", "f32[8192]", "f32[8192]"], "", "Where(%x0, %x1, %x2)"));
    cases.push(graph(&["f32[64,128]"], "", "CumSum(%x0, %a)").replace("  %y", "  %a = const i64[] 1\n  %y"));
    cases
}

fn graph(inputs: &[&str], constants: &str, call: &str) -> String {
    let inputs: String = inputs.iter().enumerate().map(|(i, ty)| format!("  %x{i} = input : {ty}\n")).collect();
    format!("graph \"case\" {{\n{inputs}{constants}  %y = {call}\n  output \"y\" = %y\n}}\n")
}

/// A convolution without a border, as the rules leave it.
fn integer_convolution(size: [usize; 3], shape: [usize; 4], stride: usize, group: usize, weights: &str) -> String {
    let (filters, kernel) = (shape[0], shape[2]);
    let attrs = format!(
        r#"auto_pad: "NOTSET", dilations: [1, 1], group: {group}, kernel_shape: [{kernel}, {kernel}], layout: "NHWC", pads: [0, 0, 0, 0], strides: [{stride}, {stride}]"#
    );
    requantized("IConv", size, weights, filters, &attrs)
}

/// A convolution in tiles, without a border.
fn tiled_convolution(size: [usize; 3], filters: usize) -> String {
    // What windows of nine equal taps are transformed to.
    const SIDES: [i64; 4] = [2, 3, 1, 2];
    let tile = |code: i64| SIDES.iter().flat_map(move |a| SIDES.map(|b| code * a * b));
    let taps = constant("i16", &[filters, size[2], 4, 4], codes(filters * size[2]).flat_map(tile));
    requantized("IWinograd", size, &taps, filters, r#"layout: "NHWC", pads: [0, 0, 0, 0]"#)
}

/// A core of codes whose sums are requantized.
fn requantized(core: &str, [h, w, c]: [usize; 3], weights: &str, filters: usize, attrs: &str) -> String {
    format!(
        r#"graph "case" {{
  %x = input : u8[1,{h},{w},{c}]
  %w = {weights}
  %z = const u8[] 7
  %y = fused {core}(%x, %w, %z) {{{attrs}}} with ()
    region "" {{
      %acc = input : i32[...]
      %s = rand f32[{filters}] seed=6
      %o = const u8[] 11
      %r = Requantize(%acc, %s, %o) {{axis: 3, dtype: u8}}
      output "y" = %r
    }}
  output "y" = %y
}}
"#
    )
}

fn float_convolution([h, w, c]: [usize; 3], shape: [usize; 4], stride: usize, group: usize, weights: &str) -> String {
    let call = format!(
        r#"Conv(%x0, %w) {{group: {group}, kernel_shape: [{0}, {0}], layout: "NHWC", strides: [{stride}, {stride}]}}"#,
        shape[2]
    );
    graph(&[&format!("f32[1,{h},{w},{c}]")], &format!("  %w = {weights}\n"), &call)
}

/// Codes of 7 bits.
fn codes(count: usize) -> impl Iterator<Item = i64> {
    (0..count).map(|i| (i * 37 % 127) as i64 - 63)
}

fn constant(dtype: &str, shape: &[usize], values: impl Iterator<Item = i64>) -> String {
    let values: Vec<String> = values.map(|v| v.to_string()).collect();
    format!("const {dtype}[{}] [{}]", list(shape), values.join(", "))
}

fn list(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}
