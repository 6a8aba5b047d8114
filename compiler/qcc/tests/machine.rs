//! Predictions follow what was measured on a machine, if a file says so.

use qcc_cost::{Machine, Unit};
use std::path::Path;
use std::process::{Command, Output};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/fashion_resnet_qat.onnx");

fn on(machine: &str, args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_qcc"));
    program.env("QCC_MACHINE", machine).args(args).output().expect("the program starts")
}

/// Predicted time of the whole model (µs).
fn predicted(machine: &str) -> f64 {
    let output = on(machine, &["profile", MODEL, "--seconds", "0", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    report["steps"].as_array().expect("steps").iter().map(|step| step["predicted_us"].as_f64().expect("a time")).sum()
}

fn written(folder: &Path, machine: &Machine) -> String {
    let path = folder.join("machine.json");
    std::fs::write(&path, serde_json::to_string(machine).expect("numbers")).expect("the file can be written");
    path.to_str().expect("it is text").to_string()
}

#[test]
fn a_machine_that_is_ten_times_as_slow_is_predicted_to_take_ten_times_as_long() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let fast = Machine::wide();
    let mut slow = fast.clone();
    Unit::ALL.iter().filter(|&&unit| unit != Unit::Hint).for_each(|&unit| slow.set(unit, 10.0 * fast.ns_of(unit)));
    let (fast, slow) = (predicted(&written(folder.path(), &fast)), predicted(&written(folder.path(), &slow)));
    assert!((slow / fast - 10.0).abs() < 1e-3, "{fast} µs, {slow} µs");
    assert!(predicted("default") > 0.0);
}

#[test]
fn a_file_that_is_no_measurement_is_refused() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("machine.json");
    for (text, why) in
        [("{\"launch\": 1.0}", "no time for"), ("{\"launch\": -1.0}", "takes -1 ns"), ("[]", "invalid type")]
    {
        std::fs::write(&path, text).expect("the file can be written");
        let output = on(path.to_str().expect("it is text"), &["compile", MODEL]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(errors.contains(why) && errors.contains("qcc machine"), "{errors}");
    }
}
