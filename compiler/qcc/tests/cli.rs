//! The program as its users call it: exit codes, messages, files in and files out.

mod onnx;
mod times;

use onnx::{custom, external, matrix, model, node, scalar};
use qcc::arrays;
use qcc_tensor::Tensor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use times::timeless;

const MODELS: [&str; 6] = [
    "fashion_resnet.onnx",
    "fashion_resnet_dynamic.onnx",
    "fashion_resnet_early_exit.onnx",
    "fashion_resnet_pruned.onnx",
    "fashion_resnet_qat.onnx",
    "fashion_resnet_qat_bn.onnx",
];

fn example(path: &str) -> String {
    format!("{}/../../examples/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn qcc(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_qcc")).args(args).output().expect("the program starts")
}

/// Standard output of a call that succeeds.
fn succeeds(args: &[&str]) -> String {
    let output = qcc(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?} ended with {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("it prints text")
}

/// Standard error of a call that fails with an exit code.
fn fails(code: i32, args: &[&str]) -> String {
    let output = qcc(args);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
    errors
}

/// A folder for the files of a test, and the paths in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder can be made"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("it is text").to_string()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the file can be written");
        path
    }

    /// A message without the folder's path.
    fn filtered(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().expect("it is text"), "FOLDER")
    }
}

/// Eight random images, and the darkest, the brightest, a chessboard and a ramp.
fn images() -> Tensor {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut values: Vec<f32> = (0..8 * 784).map(|_| random()).collect();
    values.extend([0.0; 784]);
    values.extend([1.0; 784]);
    values.extend((0..784).map(|i| ((i / 28 + i) % 2) as f32));
    values.extend((0..784).map(|i| i as f32 / 783.0));
    Tensor::new([12, 1, 28, 28], values)
}

/// What a model computes for every image of a file.
fn results(folder: &Folder, model: &str, images: &str, options: &[&str]) -> Vec<(String, Tensor)> {
    let out = folder.path("results.npz");
    succeeds(&[&["run", model, "--batch", images, "--output", &out], options].concat());
    arrays::read_npz(Path::new(&out)).expect("results can be read")
}

fn images_file(folder: &Folder, images: &Tensor) -> String {
    let path = folder.path("images.npz");
    arrays::write_npz(Path::new(&path), &[("image".into(), images.clone())]).expect("it can be written");
    path
}

#[test]
fn machine_code_equals_the_interpreter_on_random_and_extreme_images() {
    let folder = Folder::new();
    let images = images_file(&folder, &images());
    for name in MODELS {
        let model = example(&format!("models/{name}"));
        let expected = results(&folder, &model, &images, &["--engine", "interpreter"]);
        for threads in ["1", "2"] {
            let got = results(&folder, &model, &images, &["--engine", "jit", "--threads", threads]);
            // Bytes, not numbers: a NaN or a negative zero must be the same one.
            for ((name, e), (_, g)) in expected.iter().zip(&got) {
                assert!(e.bytes() == g.bytes(), "`{name}` of {model} differs on {threads} thread(s)");
            }
            assert_eq!(expected.len(), got.len());
        }
    }
}

#[test]
fn an_artifact_computes_what_its_model_computes() {
    let folder = Folder::new();
    let images = images_file(&folder, &images());
    for name in MODELS.iter().filter(|m| !m.contains("dynamic")) {
        let model = example(&format!("models/{name}"));
        let artifact = folder.path("model.qcc");
        let report = succeeds(&["compile", &model, "--emit", "chosen", "-o", &artifact]);
        assert!(report.contains("written to"), "{report}");
        assert_eq!(results(&folder, &artifact, &images, &[]), results(&folder, &model, &images, &[]), "{name}");
    }
}

#[test]
fn a_batch_has_the_recorded_accuracy() {
    let folder = Folder::new();
    let (test_set, labels) = qcc::example::test_set().expect("the test set is built in");
    let images = images_file(&folder, &test_set);
    // As `examples/models/README.md` records them; models of codes may differ by rounding ties.
    for (name, recorded, slack) in [("fashion_resnet.onnx", 1858, 0), ("fashion_resnet_qat.onnx", 1856, 2usize)] {
        let outputs = results(&folder, &example(&format!("models/{name}")), &images, &[]);
        let best = |row: &[f32]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("ten classes") as i64;
        let classes = outputs[0].1.slice::<f32>().chunks(10).map(best);
        let correct = classes.zip(&labels).filter(|(class, label)| class == *label).count();
        assert!(correct.abs_diff(recorded) <= slack, "{name}: {correct} of 2000 correct, recorded {recorded}");
    }
}

#[test]
fn one_run_writes_what_a_batch_of_one_writes() {
    let folder = Folder::new();
    let image = Tensor::new([1, 1, 28, 28], images().slice::<f32>()[..784].to_vec());
    let npy = folder.path("image.npy");
    arrays::write_array(Path::new(&npy), &image).expect("it can be written");
    let model = example("models/fashion_resnet_qat.onnx");
    succeeds(&["run", &model, "--input", &format!("image={npy}"), "--output-dir", &folder.path("out")]);
    let single = arrays::read_npy(&PathBuf::from(folder.path("out/output_0.npy"))).expect("it was written");
    let batch = results(&folder, &model, &images_file(&folder, &image), &[]);
    assert_eq!(single, batch[0].1);
}

/// Ops of the chosen graph with the types of their results, outside of kernels' bodies.
fn chosen_ops(model: &str) -> Vec<String> {
    let text = succeeds(&["compile", &example(&format!("models/{model}")), "--emit", "chosen"]);
    // Statements of the graph itself are indented by two spaces, those of kernels' bodies by more.
    let statement = |line: &str| -> Option<String> {
        let (_, call) = line.strip_prefix("  %")?.split_once(" = ")?;
        let op = call.split(['(', ':']).next()?.trim();
        let ty = call.split("  // ").next()?.rsplit_once(" : ")?.1;
        (!op.starts_with("const")).then(|| format!("{op} : {ty}"))
    };
    text.lines().filter_map(statement).collect()
}

#[test]
fn between_quantization_and_logits_a_quantized_network_has_codes_only() {
    let ops = chosen_ops("fashion_resnet_qat.onnx");
    let floats: Vec<&String> = ops.iter().filter(|op| op.contains(" : f")).collect();
    assert_eq!(floats, ["input : f32[1,1,28,28]", "fused IMatMul : f32[1,10]"]);
    let convolution = |op: &&String| op.starts_with("fused IConv") || op.starts_with("fused IWinograd");
    assert_eq!(ops.iter().filter(convolution).count(), 10, "one kernel a convolution");
    insta::assert_snapshot!(ops.join("\n"), @r"
    input : f32[1,1,28,28]
    QuantizeLinear : u8[1,1,28,28]
    Reshape : u8[1,28,28,1]
    fused IConv : u8[1,28,28,16]
    MaxPool : u8[1,14,14,16]
    fused IWinograd : u8[1,14,14,16]
    fused IWinograd : u8[1,14,14,16]
    fused IConv : u8[1,7,7,32]
    fused IWinograd : u8[1,7,7,32]
    fused IConv : u8[1,7,7,32]
    fused IConv : u8[1,7,7,32]
    fused IConv : u8[1,7,7,64]
    fused IWinograd : u8[1,7,7,64]
    fused IWinograd : u8[1,7,7,64]
    fused IReduceSum : u8[1,1,1,64]
    Reshape : u8[1,64]
    fused IMatMul : f32[1,10]
    ");
}

#[test]
fn a_float_network_keeps_convolutions_pools_and_a_classifier() {
    let ops = chosen_ops("fashion_resnet.onnx");
    let names: std::collections::BTreeSet<&str> = ops.iter().filter_map(|op| op.split(" : ").next()).collect();
    for gone in
        ["BatchNormalization", "Dropout", "Identity", "Pad", "Shape", "Gather", "Concat", "Slice", "Relu", "Add"]
    {
        assert!(!names.iter().any(|name| name.ends_with(gone)), "{gone} is left: {names:?}");
    }
    insta::assert_snapshot!(ops.join("\n"), @r"
    input : f32[1,1,28,28]
    Reshape : f32[1,28,28,1]
    fused Conv : f32[1,28,28,16]
    MaxPool : f32[1,14,14,16]
    fused Conv : f32[1,14,14,16]
    fused Conv : f32[1,14,14,16]
    fused Conv : f32[1,7,7,32]
    fused Conv : f32[1,7,7,32]
    fused Conv : f32[1,7,7,32]
    fused Conv : f32[1,7,7,32]
    fused Conv : f32[1,7,7,64]
    fused Conv : f32[1,7,7,64]
    fused Conv : f32[1,7,7,64]
    GlobalAveragePool : f32[1,1,1,64]
    Reshape : f32[1,64]
    fused MatMul : f32[1,10]
    ");
}

/// `x * clip(x + 3, 0, 6) / 6`.
fn spelled_out_hard_swish() -> Vec<u8> {
    model(&[
        scalar("three", 3.0),
        scalar("zero", 0.0),
        scalar("six", 6.0),
        node("Add", &["x", "three"], "a"),
        node("Clip", &["a", "zero", "six"], "b"),
        node("Mul", &["x", "b"], "c"),
        node("Div", &["c", "six"], "y"),
    ])
}

#[test]
fn a_users_rules_pass_their_tests_and_take_part() {
    let folder = Folder::new();
    let rules = example("rules/activations.rules");
    let tests = succeeds(&["rules", "test", &rules]);
    assert!(tests.contains(", 0 failed") && !tests.contains("note"), "{tests}");
    let model = folder.file("swish.onnx", spelled_out_hard_swish());
    // The standard rules know the formula, too.
    let alone = ["compile", &model, "--emit", "chosen", "--without", "canonical.rules"];
    let with = succeeds(&[&alone[..], &["--rules", &rules]].concat());
    assert!(with.contains("HardSwish") && !with.contains("Clip"), "{with}");
    let without = succeeds(&alone);
    assert!(without.contains("Clip") && !without.contains("HardSwish"), "{without}");
}

/// A product, an activation of another domain, a product.
fn soft_relu_between_products() -> Vec<u8> {
    let weights = |shift: usize| std::array::from_fn(|i| ((i * 37 + shift) % 17) as f32 / 17.0 - 0.45);
    model(&[
        matrix("v", &weights(3)),
        matrix("w", &weights(8)),
        node("MatMul", &["x", "v"], "a"),
        custom("acme.vision", "SoftRelu", &["a"], "b"),
        node("MatMul", &["b", "w"], "y"),
    ])
}

#[test]
fn a_model_with_an_operator_of_its_own_is_quantized() {
    let folder = Folder::new();
    let model = folder.file("soft.onnx", soft_relu_between_products());
    let samples = folder.path("samples.npz");
    let values: Vec<f32> = (0..32 * 16).map(|i| ((i * 131 % 257) as f32 / 128.0 - 1.0) * 2.0).collect();
    arrays::write_npz(Path::new(&samples), &[("x".into(), Tensor::new([32, 2, 8], values))]).expect("it is written");
    let (rules, quantized) = (example("rules/soft_relu.rules"), folder.path("soft_int8.onnx"));
    let message = fails(3, &["quantize", &model, "--calibrate", &samples, "-o", &quantized]);
    assert!(message.contains("SoftRelu") && message.contains("acme.vision"), "{message}");

    let options = ["--rules", &rules, "--calibrate", &samples, "-O1"];
    let printed = succeeds(&[&["quantize", &model, "-o", &quantized], &options[..]].concat());
    assert!(printed.contains("quantized 2 of 2 layers"), "{printed}");
    // What was written needs no definition any more.
    let results = |model: &str, options: &[&str]| {
        let out = folder.path("out.npz");
        succeeds(&[&["run", model, "--batch", &samples, "--output", &out], options].concat());
        arrays::read_npz(Path::new(&out)).expect("results can be read")[0].1.to_f64_vec()
    };
    let (float, int8) = (results(&model, &["--rules", &rules]), results(&quantized, &[]));
    let largest = float.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let distance = float.iter().zip(&int8).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(distance > 0.0 && distance < 0.05 * largest, "{distance} of {largest}");

    // Between the products there are codes only, and the activation is a table of them.
    let chosen = succeeds(&[&["compile", &model, "--emit", "chosen"], &options[..]].concat());
    assert!(chosen.contains("= Lookup(") && chosen.contains("IMatMul"), "{chosen}");
    for gone in ["= Sigmoid(", "= Exp(", "= MatMul("] {
        assert!(!chosen.contains(gone), "{gone}\n{chosen}");
    }
}

#[test]
fn products_find_their_ranges_at_run_time() {
    let folder = Folder::new();
    let model = folder.file("soft.onnx", soft_relu_between_products());
    let rules = example("rules/soft_relu.rules");
    let (samples, dynamic) = (folder.path("samples.npz"), folder.path("soft_dynamic.onnx"));
    let values: Vec<f32> = (0..32 * 16).map(|i| ((i * 131 % 257) as f32 / 128.0 - 1.0) * 2.0).collect();
    arrays::write_npz(Path::new(&samples), &[("x".into(), Tensor::new([32, 2, 8], values))]).expect("it is written");
    let printed = succeeds(&["quantize", &model, "--rules", &rules, "--dynamic", "-o", &dynamic]);
    assert!(printed.contains("quantized 2 of 2 layers, 2 with ranges found at run time"), "{printed}");
    let results = |model: &str, options: &[&str]| {
        let out = folder.path("out.npz");
        succeeds(&[&["run", model, "--batch", &samples, "--output", &out], options].concat());
        arrays::read_npz(Path::new(&out)).expect("results can be read")[0].1.to_f64_vec()
    };
    let (float, integer) = (results(&model, &["--rules", &rules]), results(&dynamic, &[]));
    let largest = float.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let distance = float.iter().zip(&integer).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(distance > 0.0 && distance < 0.05 * largest, "{distance} of {largest}");

    // What is read from a file and what is written into the graph become the same kernels.
    for args in [&["compile", &dynamic][..], &["compile", &model, "--rules", &rules, "--dynamic"]] {
        let chosen = succeeds(&[args, &["--emit", "chosen"]].concat());
        assert!(chosen.matches("fused IMatMul(").count() >= 2, "{chosen}");
        for gone in ["= MatMul(", "MatMulInteger"] {
            assert!(!chosen.contains(gone), "{gone}\n{chosen}");
        }
    }
    let verified = succeeds(&["verify", &dynamic, "--random", "2"]);
    assert!(verified.contains("equals the interpreter bit for bit"), "{verified}");
}

#[test]
fn rules_that_do_nothing_for_models_are_listed() {
    let folder = Folder::new();
    let rules = "//! Mine.\nmodule mine\nimport onnx::*\n\n/// Used.\n@exact\nrule abs-abs in mine:\n  Abs(Abs(x)) => Abs(x)\n\n/// Not there.\n@exact\nrule exp-neg in mine:\n  Relu(Exp(x)) => Exp(x)\n\n/// Kept away.\n@exact\nrule abs-relu in mine:\n  Abs(Relu(x)) => Relu(x)\n  if rank(x) == 7 else \"it has other axes\"\n\n/// Dearer.\n@exact\nrule abs-twice in mine:\n  Relu(x: f32) => Max(x, Relu(Mul(x, 0.5)))\n  if rank(x) == 2 else \"it is no matrix\"\n";
    let rules = folder.file("mine.rules", rules);
    let abs = |input: &str, output: &str| node("Abs", &[input], output);
    folder.file("b.onnx", model(&[node("Relu", &["x"], "r"), abs("r", "y")]));
    folder.file("a.onnx", model(&[abs("x", "s"), abs("s", "y")]));
    folder.file("c.onnx", "no model");
    let paths = folder.path("");
    let printed = succeeds(&["rules", "check", "--no-soundness", &rules, "--models", &paths]);
    insta::assert_snapshot!(folder.filtered(&printed));
    let json = succeeds(&["rules", "check", "--no-soundness", &rules, "--json", "--models", &paths]);
    let answer: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let usage = answer["usage"]["rules"].as_array().expect("a list");
    assert_eq!(answer["usage"]["models"], 2);
    let used: Vec<&str> = usage.iter().filter(|r| r["selected"] == 1).filter_map(|r| r["rule"].as_str()).collect();
    assert_eq!(used, ["abs-abs"]);
    let message = fails(2, &["rules", "check", &rules, "--models", &folder.path("nowhere")]);
    assert!(message.contains("nowhere"), "{message}");
}

#[test]
fn the_rule_of_the_readme_passes_its_tests() {
    let readme = std::fs::read_to_string(example("../README.md")).expect("it can be read");
    let (_, rest) = readme.split_once("```rules\n").expect("there is a rule");
    let (rules, _) = rest.split_once("```").expect("it ends");
    let folder = Folder::new();
    let printed = succeeds(&["rules", "test", &folder.file("sigmoid.rules", rules)]);
    assert!(timeless(&readme).contains(&timeless(&printed)), "the README prints something else than\n{printed}");
}

#[test]
fn every_standard_rule_has_a_firing_test_and_a_near_miss() {
    let tests = succeeds(&["rules", "test"]);
    assert!(!tests.contains("note"), "{tests}");
}

#[test]
fn a_typo_in_a_rule_is_shown_where_it_stands() {
    let folder = Folder::new();
    let rules = "//! Mine.\nmodule mine\nimport onnx::*\n\n/// Twice is once.\n@exact\nrule relu-relu in mine:\n  Relu(Rleu(x)) => Relu(x)\n";
    let path = folder.file("mine.rules", rules);
    let message = fails(2, &["rules", "check", &path]);
    assert_eq!(message, fails(2, &["rules", "test", &path]));
    assert_eq!(message, fails(2, &["compile", "--rules", &path]));
    insta::assert_snapshot!(folder.filtered(&message), @r"
    error[unknown-op]: there is no operator `Rleu`
     --> FOLDER/mine.rules:8:8
      |
    8 |   Relu(Rleu(x)) => Relu(x)
      |        ^^^^ not known here
      |
      = help: did you mean `Relu`?
    ");
}

#[test]
fn a_standard_file_that_does_not_exist_is_bad_usage() {
    let message = fails(2, &["compile", "--without", "lay-out.rules"]);
    assert!(message.contains("lay-out.rules") && message.contains("layout.rules"), "{message}");
}

#[test]
fn a_rule_test_that_fails_is_a_failed_check() {
    let folder = Folder::new();
    let rules = "//! Mine.\nmodule mine\nimport onnx::*\n\n/// Twice is once.\n@exact\nrule relu-relu in mine:\n  Relu(Relu(x)) => Relu(x)\n\ntest \"never\" {\n  graph(x: f32[2]) { return Relu(Relu(x)) }\n  expect fired relu-relu == 0\n}\n";
    fails(1, &["rules", "test", &folder.file("mine.rules", rules)]);
}

#[test]
fn a_rule_that_lies_is_found_by_its_own_test() {
    let folder = Folder::new();
    let rules = "//! Mine.\nmodule mine\nimport onnx::*\n\n/// It forgets the sign.\n@exact\nrule abs-off in mine:\n  Abs(x) => x\n\ntest \"an absolute value disappears\" {\n  graph(x: f32[8]) { return Abs(x) }\n  expect fired abs-off >= 1\n}\n";
    let path = folder.file("mine.rules", rules);
    fails(1, &["rules", "test", &path]);
    let output = String::from_utf8(qcc(&["rules", "test", &path]).stdout).expect("it prints text");
    assert!(output.contains("output 0 of the chosen graph differs"), "{output}");
}

#[test]
fn broken_models_end_with_an_exit_code_and_a_name() {
    let folder = Folder::new();
    let whole = std::fs::read(example("models/fashion_resnet_qat.onnx")).expect("it can be read");
    let relu = || node("Relu", &["x"], "y");
    let cases: [(&str, Vec<u8>, i32, &str); 8] = [
        ("truncated", whole[..whole.len() / 2].to_vec(), 2, ""),
        ("empty", Vec::new(), 2, ""),
        ("unknown-op", model(&[node("Rleu", &["x"], "y")]), 3, "my_Rleu"),
        (
            "cycle",
            model(&[node("Add", &["x", "b"], "a"), node("Abs", &["a"], "b"), node("Neg", &["b"], "y")]),
            2,
            "my_",
        ),
        ("wrong-shapes", model(&[scalar("c", 1.0), node("MatMul", &["x", "x"], "y")]), 2, "my_MatMul"),
        ("unknown-input", model(&[node("Neg", &["z"], "y")]), 2, "`z`"),
        ("missing-data", model(&[external("w", "nowhere.bin"), node("Add", &["x", "w"], "y")]), 2, "nowhere.bin"),
        ("escaping-data", model(&[external("w", "../secret.bin"), node("Add", &["x", "w"], "y")]), 2, "secret.bin"),
    ];
    for command in ["compile", "inspect", "bench"] {
        for (name, bytes, code, named) in &cases {
            let message = fails(*code, &[command, &folder.file(&format!("{name}.onnx"), bytes)]);
            assert!(message.contains(named) && !message.contains("panicked"), "{command} of {name}: {message}");
        }
        succeeds(&[&[command, folder.file("sound.onnx", model(&[relu()])).as_str()], bench_options(command)].concat());
    }
    let message = fails(2, &["compile", &folder.path("nowhere.onnx")]);
    assert!(message.contains("nowhere.onnx"), "{message}");
}

fn bench_options(command: &str) -> &'static [&'static str] {
    if command == "bench" { &["--seconds", "0.01", "--json"] } else { &[] }
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let folder = Folder::new();
    let model = folder.file("relu.onnx", model(&[node("Relu", &["x"], "y")]));
    let npy = folder.path("x.npy");
    arrays::write_array(Path::new(&npy), &Tensor::new([3, 8], vec![0f32; 24])).expect("it can be written");
    let message = fails(2, &["run", &model, "--input", &format!("x={npy}"), "--output-dir", &folder.path("out")]);
    assert!(message.contains('x') && message.contains("[2,8]"), "{message}");
    fails(2, &["run", &model, "--input", &format!("x={}", folder.path("none.npy"))]);
    fails(2, &["run", &model]);
    let damaged = folder.file("damaged.qcc", b"qcc\0nothing");
    fails(2, &["run", &damaged, "--input", &format!("x={npy}")]);
}

#[test]
fn a_dimension_without_a_size_is_named_with_what_to_do() {
    let model = example("models/fashion_resnet_dynamic.onnx");
    let message = fails(2, &["compile", &model]);
    assert!(message.contains("`N`") && message.contains("--bind N=1"), "{message}");
    succeeds(&["compile", &model, "--bind", "N=2", "--emit", "chosen"]);
}

#[test]
fn a_profile_accounts_for_every_step_and_its_trace_covers_the_run() {
    let folder = Folder::new();
    let model = example("models/fashion_resnet_qat.onnx");
    let trace = folder.path("trace.json");
    let json = succeeds(&["profile", &model, "--seconds", "0.05", "--json", "-o", &trace]);
    let report: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let steps = report["steps"].as_array().expect("a list of steps");
    let macs: u64 = steps.iter().map(|s| s["macs"].as_u64().expect("a number")).sum();
    assert_eq!(macs, 5_446_304, "the multiply-accumulates of the model");
    let kernel = steps.iter().find(|s| s["kernel"].as_str().is_some_and(|k| k.starts_with("conv"))).expect("a kernel");
    assert!(kernel["bytes"].as_u64() > Some(0) && kernel["predicted_us"].as_f64() > Some(0.0));
    assert!(report["agreement"]["rank_correlation"].as_f64().is_some());
    let trace = std::fs::read_to_string(&trace).expect("the trace is written");
    let trace: serde_json::Value = serde_json::from_str(&trace).expect("it is JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    assert_eq!(events.len(), steps.len());
    let at = |event: &serde_json::Value, key: &str| event[key].as_f64().expect("a time");
    for pair in events.windows(2) {
        assert!(at(&pair[0], "ts") + at(&pair[0], "dur") <= at(&pair[1], "ts") + 1e-6, "steps follow each other");
    }
    let table = succeeds(&["profile", &model, "--seconds", "0.05"]);
    assert!(table.contains("median error") && table.contains("GMAC/s"), "{table}");
    let share = |of: &str| report["share"][of].as_f64().expect("a share");
    assert!(share("products_of_codes") > 0.3 && share("products_of_floats") == 0.0, "{}", report["share"]);
    let float = succeeds(&["profile", &example("models/fashion_resnet.onnx"), "--seconds", "0.05"]);
    assert!(float.contains("\n0.0 % of the time in products of codes"), "{float}");
}
