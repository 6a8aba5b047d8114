//! Small ONNX files, encoded by hand: a message is a row of fields, a field its number and its bytes.
#![allow(dead_code, reason = "every test file uses a part")]

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of bytes: texts, nested messages, packed numbers.
fn bytes(number: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3 | 2, &mut out);
    varint(content.as_ref().len() as u64, &mut out);
    out.extend_from_slice(content.as_ref());
    out
}

fn int(number: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3, &mut out);
    varint(value, &mut out);
    out
}

/// A node named `my_OP`.
pub fn node(op: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    node_with(op, inputs, output, &[])
}

/// A node with further fields: attributes, its domain.
pub fn node_with(op: &str, inputs: &[&str], output: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|name| bytes(1, name));
    let named = inputs.chain(bytes(2, output)).chain(bytes(3, format!("my_{op}"))).chain(bytes(4, op));
    bytes(1, named.chain(fields.concat()).collect::<Vec<_>>())
}

/// The domain of a node.
pub fn domain(name: &str) -> Vec<u8> {
    bytes(7, name)
}

/// An attribute of a number.
pub fn number(name: &str, value: i64) -> Vec<u8> {
    bytes(5, [bytes(1, name), int(3, value as u64), int(20, 2)].concat())
}

/// An attribute of a text.
pub fn text(name: &str, value: &str) -> Vec<u8> {
    bytes(5, [bytes(1, name), bytes(4, value), int(20, 3)].concat())
}

/// An attribute of numbers.
pub fn numbers(name: &str, values: &[i64]) -> Vec<u8> {
    let all = values.iter().flat_map(|&v| int(8, v as u64));
    bytes(5, bytes(1, name).into_iter().chain(all).chain(int(20, 7)).collect::<Vec<_>>())
}

/// A constant of an element type by its number, a shape and bytes.
pub fn tensor(name: &str, dtype: u64, shape: &[i64], data: &[u8]) -> Vec<u8> {
    let dims = shape.iter().flat_map(|&d| int(1, d as u64));
    bytes(5, dims.chain(int(2, dtype)).chain(bytes(8, name)).chain(bytes(9, data)).collect::<Vec<_>>())
}

/// A model whose input is `x: f32[batch,8]`, as [`model`] else.
pub fn open_model(parts: &[Vec<u8>]) -> Vec<u8> {
    let named = bytes(1, bytes(2, "batch"));
    let dims = [named, bytes(1, int(1, 8))].concat();
    let x = bytes(11, [bytes(1, "x"), bytes(2, bytes(1, [int(1, 1), bytes(2, dims)].concat()))].concat());
    file(17, [parts.concat(), bytes(2, "g"), x, bytes(12, bytes(1, "y"))].concat())
}

/// A model of an input of an element type by its number.
pub fn typed_model(dtype: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    let dims = bytes(1, int(1, 2));
    let x = bytes(11, [bytes(1, "x"), bytes(2, bytes(1, [int(1, dtype), bytes(2, dims)].concat()))].concat());
    file(17, [parts.concat(), bytes(2, "g"), x, bytes(12, bytes(1, "y"))].concat())
}

/// As [`model`], of an operator set.
pub fn model_of(opset: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    file(opset, [parts.concat(), bytes(2, "g"), value(11, "x", &[2, 8]), value(12, "y", &[2, 8])].concat())
}

fn file(opset: u64, graph: Vec<u8>) -> Vec<u8> {
    [int(1, 8), bytes(7, graph), bytes(8, int(2, opset))].concat()
}

/// A node named `my_OP` of another domain.
pub fn custom(domain: &str, op: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|name| bytes(1, name));
    let names = bytes(2, output).into_iter().chain(bytes(3, format!("my_{op}"))).chain(bytes(4, op));
    bytes(1, inputs.chain(names).chain(bytes(7, domain)).collect::<Vec<_>>())
}

/// A constant `f32[8,8]`.
pub fn matrix(name: &str, values: &[f32; 64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    bytes(5, [int(1, 8), int(1, 8), int(2, 1), bytes(8, name), bytes(9, data)].concat())
}

fn value(number: u64, name: &str, shape: &[u64]) -> Vec<u8> {
    value_of(number, name, 1, shape)
}

fn value_of(number: u64, name: &str, dtype: u64, shape: &[u64]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|&d| bytes(1, int(1, d))).collect();
    let tensor = [int(1, dtype), bytes(2, dims)].concat();
    bytes(number, [bytes(1, name), bytes(2, bytes(1, tensor))].concat())
}

/// The body of a loop that carries `f32[2,8]` and goes on as long as it is told: `v + v`.
pub fn doubling_body() -> Vec<u8> {
    let nodes = [node("Identity", &["going"], "on"), node("Add", &["v", "v"], "w")].concat();
    let inputs = [value_of(11, "i", 7, &[]), value_of(11, "going", 9, &[]), value(11, "v", &[2, 8])].concat();
    let outputs = [value_of(12, "on", 9, &[]), value(12, "w", &[2, 8])].concat();
    let graph = [nodes, bytes(2, "body"), inputs, outputs].concat();
    bytes(5, [bytes(1, "body"), bytes(6, graph), int(20, 5)].concat())
}

/// A constant of one f32.
pub fn scalar(name: &str, value: f32) -> Vec<u8> {
    bytes(5, [int(2, 1), bytes(8, name), bytes(9, value.to_le_bytes())].concat())
}

/// A constant `f32[2,8]` whose bytes are in another file.
pub fn external(name: &str, file: &str) -> Vec<u8> {
    let location = bytes(13, [bytes(1, "location"), bytes(2, file)].concat());
    bytes(5, [int(1, 2), int(1, 8), int(2, 1), bytes(8, name), location, int(14, 1)].concat())
}

/// A model from `x: f32[2,8]` to `y` of nodes and constants.
pub fn model(parts: &[Vec<u8>]) -> Vec<u8> {
    model_of(17, parts)
}
