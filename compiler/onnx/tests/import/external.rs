//! Tensor data in other files.

use crate::build::*;
use prost::Message;
use qcc_onnx::proto::tensor_proto::{DataLocation, DataType};
use qcc_onnx::proto::{GraphProto, ModelProto, StringStringEntryProto, TensorProto};
use std::path::Path;

fn with_data(entries: &[(&str, &str)]) -> ModelProto {
    let entry = |(k, v): &(&str, &str)| StringStringEntryProto { key: Some(k.to_string()), value: Some(v.to_string()) };
    let w = TensorProto {
        data_location: Some(DataLocation::External as i32),
        external_data: entries.iter().map(entry).collect(),
        ..tensor("w", DataType::Float, &[2])
    };
    let graph = GraphProto { initializer: vec![w], output: vec![value("w")], ..from_x_to_y([]) };
    model(13, graph)
}

fn import_from(folder: &Path, entries: &[(&str, &str)]) -> String {
    let path = folder.join("model.onnx");
    std::fs::write(&path, with_data(entries).encode_to_vec()).expect("the folder is writable");
    shown(qcc_onnx::import_file(&path))
}

#[test]
fn data_is_read_from_the_models_folder_only() {
    let outside = tempfile::tempdir().expect("a folder");
    let folder = outside.path().join("model");
    std::fs::create_dir_all(folder.join("sub")).expect("a folder");
    let mut data: Vec<u8> = vec![9; 8];
    data.extend([1.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()));
    for file in [folder.join("w.bin"), folder.join("sub/w.bin"), outside.path().join("secret.bin")] {
        std::fs::write(file, &data).expect("the folder is writable");
    }
    let at = |location, offset, length| {
        import_from(&folder, &[("location", location), ("offset", offset), ("length", length)])
    };
    let mut cases = vec![
        ("beside the model", at("w.bin", "8", "8")),
        ("in a folder below", at("sub/w.bin", "8", "8")),
        ("without a length", import_from(&folder, &[("location", "w.bin"), ("offset", "8")])),
        ("a missing file", at("lost.bin", "0", "8")),
        ("a folder", at("sub", "0", "8")),
        ("another length than the tensor's", at("w.bin", "8", "4")),
        ("past the end", at("w.bin", "12", "8")),
        ("far past the end", at("w.bin", "18446744073709551615", "8")),
        ("an offset that is no number", at("w.bin", "-8", "8")),
        ("no location", import_from(&folder, &[("offset", "8")])),
        ("an empty location", at("", "8", "8")),
        ("out of the folder", at("../secret.bin", "8", "8")),
        ("out of the folder and back", at("sub/../w.bin", "8", "8")),
        ("an absolute path", at("/etc/hostname", "0", "8")),
        ("a model that was not read from a file", shown(import(&with_data(&[("location", "w.bin")])))),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../secret.bin", folder.join("link.bin")).expect("a link");
        std::os::unix::fs::symlink("..", folder.join("up")).expect("a link");
        cases.push(("a symbolic link", at("link.bin", "8", "8")));
        cases.push(("through a symbolic link", at("up/secret.bin", "8", "8")));
    }
    insta::assert_snapshot!("external", gallery(cases));
}
