//! Small ONNX files, encoded by hand: a message is a row of fields, a field its number and its bytes.

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
    let inputs = inputs.iter().flat_map(|name| bytes(1, name));
    bytes(1, inputs.chain(bytes(2, output)).chain(bytes(3, format!("my_{op}"))).chain(bytes(4, op)).collect::<Vec<_>>())
}

fn value(number: u64, name: &str, shape: &[u64]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|&d| bytes(1, int(1, d))).collect();
    let tensor = [int(1, 1), bytes(2, dims)].concat();
    bytes(number, [bytes(1, name), bytes(2, bytes(1, tensor))].concat())
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
    let graph = [parts.concat(), bytes(2, "g"), value(11, "x", &[2, 8]), value(12, "y", &[2, 8])].concat();
    [int(1, 8), bytes(7, graph), bytes(8, int(2, 17))].concat()
}
