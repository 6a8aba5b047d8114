//! Tensors in all element types and encodings.

use crate::build::*;
use bytes::Bytes;
use qcc_onnx::proto::tensor_proto::DataType;
use qcc_onnx::proto::{GraphProto, TensorProto};

fn shown_constant(t: TensorProto) -> String {
    let graph = GraphProto { initializer: vec![t], output: vec![value("w")], ..from_x_to_y([]) };
    shown(import(&model(13, graph)))
}

#[test]
fn every_encoding_gives_the_same_elements() {
    let raw = |dtype, bytes: &'static [u8]| TensorProto {
        raw_data: Some(Bytes::from_static(bytes)),
        ..tensor("w", dtype, &[2])
    };
    let small = |dtype, data: [i32; 2]| TensorProto { int32_data: data.to_vec(), ..tensor("w", dtype, &[2]) };
    let wide = |dtype, data: [u64; 2]| TensorProto { uint64_data: data.to_vec(), ..tensor("w", dtype, &[2]) };
    let cases = [
        ("f32", f32s("w", &[2], &[1.5, -2.0])),
        ("f32 raw", raw(DataType::Float, &[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0])),
        ("f64", TensorProto { double_data: vec![1.5, -2.0], ..tensor("w", DataType::Double, &[2]) }),
        ("f16 as bits", small(DataType::Float16, [0x3e00, 0xc000])),
        ("f16 raw", raw(DataType::Float16, &[0, 0x3e, 0, 0xc0])),
        ("bf16 as bits", small(DataType::Bfloat16, [0x3fc0, 0xc000])),
        ("i8", small(DataType::Int8, [-128, 127])),
        ("u8", small(DataType::Uint8, [0, 255])),
        ("u8 raw", raw(DataType::Uint8, &[0, 255])),
        ("i16", small(DataType::Int16, [-32768, 32767])),
        ("u16", small(DataType::Uint16, [0, 65535])),
        ("i32", small(DataType::Int32, [-1, 1])),
        ("u32", wide(DataType::Uint32, [1, u64::from(u32::MAX)])),
        ("i64", i64s("w", &[i64::MIN, i64::MAX])),
        ("u64", wide(DataType::Uint64, [1, u64::MAX])),
        ("bool", small(DataType::Bool, [0, 1])),
        ("bool raw, where any other byte is true", raw(DataType::Bool, &[0, 7])),
        ("a scalar", TensorProto { float_data: vec![0.5], ..tensor("w", DataType::Float, &[]) }),
        ("no elements", TensorProto { ..tensor("w", DataType::Float, &[0, 3]) }),
        ("i4, two in a byte", TensorProto { int32_data: vec![0x8f], ..tensor("w", DataType::Int4, &[2]) }),
        ("u2 raw, four in a byte", raw(DataType::Uint2, &[0b1110])),
        ("a float of 8 bits", small(DataType::Float8e5m2, [0x3c, 0xbe])),
        ("i4 of too many bytes", small(DataType::Int4, [1, 2])),
        ("strings", TensorProto { string_data: vec![Bytes::from_static(b"a")], ..tensor("w", DataType::String, &[1]) }),
    ];
    let shown = cases.into_iter().map(|(claim, t)| (claim, shown_constant(t)));
    insta::assert_snapshot!("tensors", gallery(shown));
}
