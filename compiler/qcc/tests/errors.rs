//! What the program says to models, data and commands that are wrong: one snapshot of all messages, each with its exit
//! code. A message names the place (a file, a node, an option), the reason, and what to do.

mod onnx;

mod times;

use onnx::*;
use qcc::arrays;
use qcc_session::artifact;
use qcc_tensor::{DType, Tensor, TensorType};
use std::path::Path;
use std::process::Command;
use times::timeless;

const F32: u64 = 1;

/// A rule file of one rule.
fn rules(rule: &str) -> Vec<u8> {
    format!("/// Mine.\nmodule mine\nimport onnx::*\n\n{rule}\n").into_bytes()
}

/// Models and data that commands are called with, in one folder.
fn files(folder: &Path) {
    let relu = || node("Relu", &["x"], "y");
    let whole = model(&[relu()]);
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(TensorType::new(dtype, shape.iter().copied()));
    let one = |op: &str, inputs: &[&str], fields: &[Vec<u8>]| model(&[node_with(op, inputs, "y", fields)]);
    let with = |constant: Vec<u8>| model(&[constant, node("Add", &["x", "w"], "y")]);
    let compiled = artifact_of(&whole);
    let changed = |at: usize, to: u8| {
        let mut bytes = compiled.clone();
        bytes[at] = to;
        bytes
    };
    let npy = |tensor: &Tensor| {
        let stem = folder.join("written");
        arrays::write_array(&stem, tensor).expect("it can be written");
        std::fs::read(stem.with_extension("npy")).expect("it was written")
    };
    let complex = |described: &str, data: usize| {
        let mut bytes = npy(&zeros(DType::F32, &[2, 8]));
        let at = bytes.windows(3).position(|w| w == b"<f4").expect("its type");
        bytes[at..at + 3].copy_from_slice(described.as_bytes());
        bytes.truncate(bytes.len() - 64 + data);
        bytes
    };
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("relu.onnx", whole.clone()),
        ("open.onnx", open_model(&[relu()])),
        ("empty.onnx", Vec::new()),
        ("text.onnx", b"this is no model".to_vec()),
        ("half.onnx", whole[..whole.len() / 2].to_vec()),
        ("unknown-op.onnx", one("Rleu", &["x"], &[])),
        ("sequence-op.onnx", one("SequenceMap", &["x"], &[])),
        ("domain.onnx", one("Warp", &["x"], &[domain("com.acme")])),
        ("cycle.onnx", model(&[node("Add", &["x", "b"], "a"), node("Abs", &["a"], "b"), node("Neg", &["b"], "y")])),
        ("itself.onnx", one("Add", &["x", "y"], &[])),
        ("undefined.onnx", one("Add", &["x", "ghost"], &[])),
        ("no-output.onnx", model(&[node("Relu", &["x"], "z")])),
        ("twice.onnx", model(&[relu(), node("Abs", &["x"], "y")])),
        ("few-inputs.onnx", one("Add", &["x"], &[])),
        ("many-inputs.onnx", one("Relu", &["x", "x"], &[])),
        ("shapes.onnx", one("MatMul", &["x", "x"], &[])),
        ("broadcast.onnx", with(tensor("w", F32, &[5], &[0; 20]))),
        ("kind.onnx", one("Softmax", &["x"], &[text("axis", "last")])),
        ("attribute.onnx", one("Relu", &["x"], &[number("slope", 1)])),
        ("value.onnx", one("Softmax", &["x"], &[number("axis", 7)])),
        ("perm.onnx", one("Transpose", &["x"], &[numbers("perm", &[0, 0])])),
        ("to.onnx", one("Cast", &["x"], &[number("to", 99)])),
        ("type.onnx", with(tensor("w", 77, &[1], &[0; 4]))),
        ("complex.onnx", with(tensor("w", 14, &[1], &[0; 8]))),
        ("few-bytes.onnx", with(tensor("w", F32, &[2], &[0; 7]))),
        ("negative.onnx", with(tensor("w", F32, &[-1], &[0; 4]))),
        ("huge.onnx", with(tensor("w", F32, &[i64::MAX, i64::MAX], &[]))),
        (
            "gather.onnx",
            model(&[
                tensor("w", F32, &[3, 8], &[0; 96]),
                tensor("i", 7, &[2], &[1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]),
                node("Gather", &["w", "i"], "g"),
                node("Add", &["x", "g"], "y"),
            ]),
        ),
        ("mixed.onnx", with(tensor("w", 7, &[1], &[0; 8]))),
        ("strings.onnx", typed_model(8, &[relu()])),
        ("booleans.onnx", typed_model(9, &[relu()])),
        ("missing-data.onnx", model(&[external("w", "nowhere.bin"), node("Add", &["x", "w"], "y")])),
        ("escaping-data.onnx", model(&[external("w", "../secret.bin"), node("Add", &["x", "w"], "y")])),
        ("short-data.onnx", model(&[external("w", "short.bin"), node("Add", &["x", "w"], "y")])),
        ("short.bin", vec![0; 8]),
        (
            "endless.onnx",
            model(&[tensor("t", 9, &[], &[1]), node_with("Loop", &["", "t", "x"], "y", &[doubling_body()])]),
        ),
        ("old.onnx", model_of(0, &[relu()])),
        ("new.onnx", model_of(99, &[relu()])),
        ("relu.qcc", compiled.clone()),
        ("flipped.qcc", changed(compiled.len() - 1, 1)),
        ("version.qcc", changed(4, 9)),
        ("cut.qcc", compiled[..100].to_vec()),
        ("x.npy", npy(&zeros(DType::F32, &[2, 8]))),
        ("labels.npy", npy(&zeros(DType::I64, &[7]))),
        ("wide.npy", npy(&zeros(DType::F32, &[3, 8]))),
        ("flat.npy", npy(&zeros(DType::F32, &[16]))),
        ("doubles.npy", npy(&zeros(DType::F64, &[2, 8]))),
        ("complex.npy", complex("<c8", 64)),
        ("cut.npy", complex("<f4", 8)),
        ("text.npy", b"1.0 2.0 3.0".to_vec()),
        ("broken.pb", vec![0xff; 9]),
        ("text.npz", b"no archive".to_vec()),
        ("own.rules", rules("/// Once is enough.\n@exact\nrule relu-relu in mine:\n  Relu(Relu(x)) => Relu(x)")),
        ("typo.rules", rules("/// Once is enough.\n@exact\nrule relu-relu in mine:\n  Relu(Rleu(x)) => Relu(x)")),
        ("syntax.rules", rules("rule relu-relu in mine\n  Relu(Relu(x)) -> Relu(x)")),
        ("unbound.rules", rules("/// It forgets.\n@exact\nrule forget in mine:\n  Relu(x) => Relu(y)")),
        (
            "failing.rules",
            rules(
                "/// Once is enough.\n@exact\nrule relu-relu in mine:\n  Relu(Relu(x)) => Relu(x)\n\ntest \"never\" {\n  graph(x: f32[2]) { return Relu(Relu(x)) }\n  expect fired relu-relu == 0\n}",
            ),
        ),
        (
            "lie.rules",
            rules(
                "/// It forgets the sign.\n@exact\nrule abs-off in mine:\n  Abs(x) => x\n\ntest \"a sign\" {\n  graph(x: f32[8]) { return Abs(x) }\n  expect fired abs-off\n}",
            ),
        ),
    ];
    for (name, bytes) in table {
        std::fs::write(folder.join(name), bytes).expect("it can be written");
    }
    let npz = |name: &str, arrays: &[(&str, Tensor)]| {
        let arrays: Vec<(String, Tensor)> = arrays.iter().map(|(n, t)| (n.to_string(), t.clone())).collect();
        arrays::write_npz(&folder.join(name), &arrays).expect("it can be written");
    };
    npz("samples.npz", &[("x", zeros(DType::F32, &[3, 2, 8]))]);
    npz("none.npz", &[("x", zeros(DType::F32, &[0, 2, 8]))]);
    npz("more.npz", &[("a", zeros(DType::F32, &[3, 2, 8])), ("b", zeros(DType::F32, &[2, 2, 8]))]);
    npz("other.npz", &[("x", zeros(DType::F32, &[3, 2, 9]))]);
    npz("integers.npz", &[("x", zeros(DType::I32, &[3, 2, 8]))]);
    std::fs::create_dir(folder.join("taken")).expect("a folder can be made");
}

/// The artifact of a model.
fn artifact_of(model: &[u8]) -> Vec<u8> {
    use qcc::{pipeline, standard_rules};
    let graph = qcc_onnx::import_bytes(model.to_vec().into(), None).expect("it imports");
    let (rules, _) = standard_rules::compile(&Default::default()).expect("the standard rules are sound");
    let compiled =
        pipeline::compile(&graph, &Default::default(), &rules, Default::default(), &mut |_| ()).expect("it compiles");
    artifact::encode(&compiled.program)
}

/// What is wrong, and the call; `@` is the folder.
const CASES: &[(&str, &str)] = &[
    // The model's file.
    ("a model that is not there", "compile @nowhere.onnx"),
    ("a folder as a model", "compile @taken"),
    ("an empty model", "compile @empty.onnx"),
    ("a text as a model", "compile @text.onnx"),
    ("half a model", "compile @half.onnx"),
    ("an operator set that is no number of one", "compile @old.onnx"),
    ("an operator set of the future", "compile @new.onnx"),
    // Its graph.
    ("an op that does not exist", "compile @unknown-op.onnx"),
    ("an op that is not supported", "compile @sequence-op.onnx"),
    ("an op of another domain", "compile @domain.onnx"),
    ("a cycle", "compile @cycle.onnx"),
    ("a node that reads itself", "compile @itself.onnx"),
    ("a name that nothing defines", "compile @undefined.onnx"),
    ("an output that nothing defines", "compile @no-output.onnx"),
    ("a name that is defined twice", "compile @twice.onnx"),
    // Its nodes.
    ("too few inputs", "compile @few-inputs.onnx"),
    ("too many inputs", "compile @many-inputs.onnx"),
    ("sizes that do not fit", "compile @shapes.onnx"),
    ("shapes that do not broadcast", "compile @broadcast.onnx"),
    ("an attribute of another kind", "compile @kind.onnx"),
    ("an attribute that the op does not have", "compile @attribute.onnx"),
    ("an axis that is not there", "compile @value.onnx"),
    ("a permutation that is none", "compile @perm.onnx"),
    ("a cast to nothing", "compile @to.onnx"),
    ("inputs of two types", "compile @mixed.onnx"),
    ("an input type that the op does not take", "compile @booleans.onnx"),
    ("an input of strings", "compile @strings.onnx"),
    // Its constants.
    ("an element type that does not exist", "compile @type.onnx"),
    ("an element type that is not supported", "compile @complex.onnx"),
    ("too few bytes", "compile @few-bytes.onnx"),
    ("a size below zero", "compile @negative.onnx"),
    ("a constant larger than memory", "compile @huge.onnx"),
    ("an index beyond a constant", "compile @gather.onnx"),
    ("external data that is not there", "compile @missing-data.onnx"),
    ("external data outside of the folder", "compile @escaping-data.onnx"),
    ("external data that ends too early", "compile @short-data.onnx"),
    // Open dimensions.
    ("a dimension without a size", "compile @open.onnx"),
    ("a size for a dimension that is not there", "compile @open.onnx --bind n=2"),
    ("a size that is no number", "compile @open.onnx --bind batch=many"),
    ("a size that no memory holds", "compile @open.onnx --bind batch=9000000000000000000"),
    ("a size without a name", "compile @open.onnx --bind 4"),
    ("a shape for an input that is not there", "compile @open.onnx --shape z=2x8"),
    ("a shape of another rank", "compile @open.onnx --shape x=2"),
    ("a shape that contradicts the model", "compile @open.onnx --shape x=2x9"),
    ("a shape that is none", "compile @open.onnx --shape x=2,8"),
    // Inputs.
    ("no input", "run @relu.onnx --output-dir @out"),
    ("an input of another shape", "run @relu.onnx --input x=@wide.npy --output-dir @out"),
    ("an input of another rank", "run @open.onnx --input x=@flat.npy --output-dir @out"),
    ("an input of another type", "run @relu.onnx --input x=@doubles.npy --output-dir @out"),
    ("an input too many", "run @relu.onnx --input x=@x.npy --input z=@x.npy --output-dir @out"),
    ("an input file that is not there", "run @relu.onnx --input x=@nowhere.npy"),
    ("an input file that is none", "run @relu.onnx --input x=@text.npy"),
    ("an input file that was cut", "run @relu.onnx --input x=@cut.npy"),
    ("an input file of complex numbers", "run @relu.onnx --input x=@complex.npy"),
    ("a tensor file that is none", "run @relu.onnx --input x=@broken.pb"),
    ("results where a file is", "run @relu.onnx --input x=@x.npy --output-dir @x.npy"),
    ("a loop without end", "run @endless.onnx --input x=@x.npy --max-work 1000000"),
    // Samples.
    ("samples that are not there", "run @relu.onnx --batch @nowhere.npz --output @out.npz"),
    ("samples that are no archive", "run @relu.onnx --batch @text.npz --output @out.npz"),
    ("samples of nothing", "run @relu.onnx --batch @none.npz --output @out.npz"),
    ("more arrays than inputs", "run @relu.onnx --batch @more.npz --output @out.npz"),
    ("samples of another shape", "run @relu.onnx --batch @other.npz --output @out.npz"),
    ("samples of another type", "run @relu.onnx --batch @integers.npz --output @out.npz"),
    ("samples without a place for results", "run @relu.onnx --batch @samples.npz"),
    ("samples and an input", "run @relu.onnx --batch @samples.npz --output @out.npz --input x=@x.npy"),
    ("results in a folder that is not there", "run @relu.onnx --batch @samples.npz --output @no/out.npz"),
    // Compiled models.
    ("a compiled model of another version", "run @version.qcc --input x=@x.npy"),
    ("a compiled model with a flipped bit", "run @flipped.qcc --input x=@x.npy"),
    ("a compiled model that was cut", "run @cut.qcc --input x=@x.npy"),
    ("a compiled model that asks for too much", "run @relu.qcc --input x=@x.npy --max-work 1"),
    ("a compiled model that is compiled again", "compile @relu.qcc"),
    ("a compiled model in a folder that is not there", "compile @relu.onnx -o @no/relu.qcc"),
    // Rules.
    ("a rule file that is not there", "compile @relu.onnx --rules @nowhere.rules"),
    ("a rule of an op that does not exist", "rules check @typo.rules"),
    ("a rule that cannot be read", "rules check @syntax.rules"),
    ("a rule with a name out of nothing", "rules check @unbound.rules"),
    ("a rule whose test fails", "rules test @failing.rules"),
    ("a rule that lies", "rules test @lie.rules"),
    ("a standard file that does not exist", "compile @relu.onnx --without lay-out.rules"),
    ("a rule that does not exist", "compile @relu.onnx --without-rules relu-rleu"),
    ("a schedule that does not exist", "compile @relu.onnx --schedule defalt"),
    ("an argument too many", "why relu-rleu @relu.onnx"),
    ("an explanation of a node that does not exist", "explain @relu.onnx --node nowhere"),
    // Quantization.
    ("calibration data that is not there", "compile @relu.onnx --calibrate @nowhere.npz"),
    ("calibration data of nothing", "compile @relu.onnx --calibrate @none.npz"),
    ("calibration data of another shape", "compile @relu.onnx --calibrate @other.npz"),
    ("a quantized model without a place", "quantize @relu.onnx --calibrate @samples.npz"),
    ("a quantized model without samples", "quantize @relu.onnx -o @out.onnx"),
    ("a range of a layer that does not exist", "compile @relu.onnx --dynamic=nowhere"),
    ("weights of a layer that does not exist", "compile @relu.onnx --weight-only=nowhere"),
    ("weights of 5 bits", "compile @relu.onnx --weight-only --weight-only-bits 5"),
    ("labels that are floats", "compile @relu.onnx --calibrate @samples.npz --max-drop 1 --labels @x.npy"),
    ("labels of other samples", "compile @relu.onnx --calibrate @samples.npz --max-drop 1 --labels @labels.npy"),
    ("labels without a drop", "compile @relu.onnx --calibrate @samples.npz --labels @labels.npy"),
    ("a drop on no samples", "compile @relu.onnx --dynamic --max-drop 1"),
    ("a report of no samples", "compile @relu.onnx --dynamic --report @out.html"),
    // Commands.
    ("no command", ""),
    ("a command that does not exist", "complie @relu.onnx"),
    ("an option that does not exist", "compile @relu.onnx --fast"),
    ("a command without a model", "run"),
    ("an engine that does not exist", "run @relu.onnx --engine gpu"),
    ("something to print that does not exist", "compile @relu.onnx --emit everything"),
];

#[test]
fn every_message_names_the_place_the_reason_and_what_to_do() {
    assert!(CASES.len() >= 60);
    let folder = tempfile::tempdir().expect("a folder can be made");
    files(folder.path());
    let place = format!("{}/", folder.path().display());
    let said = |(claim, call): &(&str, &str)| {
        let args = call.split_whitespace().map(|arg| arg.replace('@', &place));
        let output = Command::new(env!("CARGO_BIN_EXE_qcc")).args(args).output().expect("the program starts");
        let code = output.status.code();
        // What fails a check is printed where results are.
        let text = if code == Some(1) { [&output.stdout[..], &output.stderr[..]].concat() } else { output.stderr };
        let text = String::from_utf8(text).expect("it prints text").replace(&place, "");
        let shown = match code {
            Some(code) => code.to_string(),
            None => "killed".into(),
        };
        (code, format!("--- {claim} ({shown})\nqcc {}\n\n{}\n\n", call.replace('@', ""), timeless(&text).trim_end()))
    };
    // Each call is a process that mostly waits for its own rules: as many at a time as there are processors.
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<Vec<(Option<i32>, String)>> = std::thread::scope(|scope| {
        let threads =
            CASES.chunks(CASES.len().div_ceil(workers)).map(|part| scope.spawn(|| part.iter().map(said).collect()));
        threads.collect::<Vec<_>>().into_iter().map(|t| t.join().expect("no call panics")).collect()
    });
    let all = parts.concat();
    insta::assert_snapshot!("errors", all.iter().map(|(_, text)| text.as_str()).collect::<String>());
    let wrong: Vec<&str> =
        all.iter().filter(|(code, _)| !matches!(code, Some(1..=3))).map(|(_, text)| text.as_str()).collect();
    assert!(wrong.is_empty(), "not refused, or a bug of the program:\n{}", wrong.concat());
}
