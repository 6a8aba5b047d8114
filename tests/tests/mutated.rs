//! A thousand damaged versions of models and artifacts: no panic, nothing that takes long, and no wrong answer.
//!
//! What a damaged file is accepted as must be what it says: a damaged model computes what the reference evaluation of the
//! same bytes computes; a damaged artifact with a checksum that still fits computes what the artifact computed before.
//! Artifacts that were sealed again after the damage say something else, so of them it is asked that they are refused or
//! run within their limits. `QCC_MUTANTS=20` tries twenty times as many.

use qcc::pipeline;
use qcc::standard_rules::{self, Selection};
use qcc_dsl::RuleSet;
use qcc_ir::Split;
use qcc_kernel::program::{Limits, Program};
use qcc_lower::Target;
use qcc_session::{Engine, Options, Session, artifact};
use qcc_tensor::{DType, Tensor, TensorType};
use qcc_tests::damage::{Random, damaged};
use qcc_tests::patience::timed;
use qcc_tests::targets::{TAIL, bindings, corpus};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Damaged models of the corpus, compiled and run.
const MODELS: u64 = 400;
/// Damaged example models, imported and typed.
const EXAMPLES: u64 = 100;
/// Damaged artifacts, and as many that are sealed again.
const ARTIFACTS: u64 = 250;

/// The longest that one version may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a damaged artifact may need: some times what the largest whole one needs.
const LIMITS: Limits = Limits { memory: 8 << 20, work: 100_000_000, instructions: 50_000 };

fn many(count: u64) -> u64 {
    let times = std::env::var("QCC_MUTANTS").ok().and_then(|text| text.parse().ok());
    count * times.unwrap_or(1u64)
}

fn example(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What happened to many versions.
#[derive(Default)]
struct Outcome {
    accepted: u64,
    refused: u64,
    failures: Vec<String>,
}

impl Outcome {
    /// Runs one version; `work` says whether it was accepted, or what is wrong.
    fn add(&mut self, version: &str, work: impl FnOnce() -> Result<bool, String>) {
        let (result, time) = timed(work);
        match result.and_then(|accepted| accepted) {
            _ if time > PATIENCE => self.failures.push(format!("{version}: it took {time:?}")),
            Ok(true) => self.accepted += 1,
            Ok(false) => self.refused += 1,
            Err(why) => self.failures.push(format!("{version}: {why}")),
        }
    }

    /// Fails if a version failed, or if all were accepted or all refused: then the damage is of one kind only.
    fn check(&self) {
        let all = self.accepted + self.refused + self.failures.len() as u64;
        println!("{all} versions: {} accepted, {} refused", self.accepted, self.refused);
        assert!(self.failures.is_empty(), "{} of {all}:\n{}", self.failures.len(), self.failures.join("\n"));
        assert!(self.accepted > 0 && self.refused > 0, "{} accepted, {} refused", self.accepted, self.refused);
    }
}

/// Numbers for inputs of any type.
fn inputs<'a>(types: impl Iterator<Item = &'a TensorType>) -> Vec<Tensor> {
    types
        .map(|ty| {
            let top = if ty.dtype.is_float() { 0.25 } else { 1.0 };
            let values: Vec<f64> = (0..ty.elements()).map(|i| ((i * 7) % 9) as f64 * top).collect();
            let values: Vec<f64> =
                if ty.dtype == DType::Bool { values.iter().map(|v| v % 2.0).collect() } else { values };
            Tensor::from_f64(ty.dtype, ty.shape.iter().copied(), &values)
        })
        .collect()
}

/// Whether two results are one within what rules may change: floats by a thousandth of the largest, codes by one step.
fn agree(got: &Tensor, expected: &Tensor) -> Result<(), String> {
    if got.ty() != expected.ty() {
        return Err(format!("{} for {}", got.ty(), expected.ty()));
    }
    let (got, expected, ty) = (got.to_f64_vec(), expected.to_f64_vec(), expected.ty());
    // Sums of numbers beyond the float range have no one order.
    let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if !largest.is_finite() || largest > 1e30 || expected.iter().any(|v| v.is_nan()) {
        return Ok(());
    }
    let tolerance = if ty.dtype.is_float() { 1e-3 * largest.max(1e-3) } else { 1.0 };
    let near = |g: f64, e: f64| (g - e).abs() <= tolerance;
    match got.iter().zip(&expected).position(|(&g, &e)| !near(g, e)) {
        Some(i) => Err(format!("element {i} of {ty} is {} for {}", got[i], expected[i])),
        None => Ok(()),
    }
}

/// Whether a model is accepted; if it is and gives a result, the result is right.
fn compile_and_compare(bytes: &[u8], rules: &RuleSet) -> Result<bool, String> {
    let Ok(graph) = qcc_onnx::import_bytes(bytes.to_vec().into(), None) else { return Ok(false) };
    let bindings = bindings(&graph);
    let Ok(bound) = qcc_ir::bind(&graph, &bindings) else { return Ok(false) };
    let Ok(Split { head, tail }) = qcc_ir::split(&bound.pruned()) else { return Ok(false) };
    let types: Vec<TensorType> = head.graph().inputs().iter().map(|&id| head.ty(id.output(0)).clone()).collect();
    let size = |ty: &TensorType| ty.elements() > 1 << 20;
    if types.iter().any(size) || head.graph().node_ids().any(|id| outputs_of(&head, id).any(size)) {
        return Ok(false);
    }
    let inputs = inputs(types.iter());
    let expected = qcc_ir::evaluate(&head, &inputs).and_then(|values| match &tail {
        Some(tail) => tail.block.run(values, &mut TAIL.clone()),
        None => Ok(values),
    });
    let program = match pipeline::compile(&graph, &bindings, rules, Target::host(), &mut |_| ()) {
        Ok(compiled) => compiled.program,
        Err(failure) if failure.exit_code() == 70 => return Err(format!("{failure}")),
        Err(_) => return Ok(false),
    };
    let session = pipeline::session_within(&program, 1, Engine::Jit, &LIMITS);
    let got = session.and_then(|mut session| Ok(session.run(&inputs)?));
    match (got, expected) {
        (Ok(got), Ok(expected)) => {
            got.iter().zip(&expected).try_for_each(|(g, e)| agree(g, e))?;
            Ok(true)
        }
        (Err(failure), _) if failure.exit_code() == 70 => Err(format!("{failure}")),
        // What the reference refuses, rules may have removed as unused; what they refuse must be refused there, too.
        (Err(failure), Ok(_)) => Err(format!("refused, the reference gives a result: {failure}")),
        (_, Err(_)) => Ok(false),
    }
}

fn outputs_of(typed: &qcc_ir::TypedGraph, id: qcc_ir::NodeId) -> impl Iterator<Item = &TensorType> {
    let outputs = match typed.graph().node(id) {
        qcc_ir::Node::Op(op) => op.outputs as u32,
        _ => 1,
    };
    (0..outputs).map(move |i| typed.ty(id.output(i)))
}

#[test]
fn damaged_models_are_refused_or_right() {
    let (rules, _) = standard_rules::compile(&Selection::default()).expect("the standard rules are sound");
    let models = corpus("onnx");
    let mut outcome = Outcome::default();
    for version in 0..many(MODELS) {
        let mut random = Random(version);
        let (name, bytes) = &models[random.below(models.len())];
        let bytes = damaged(bytes, bytes.len(), &mut random);
        outcome.add(&format!("{name} {version}"), || compile_and_compare(&bytes, &rules));
    }
    outcome.check();
}

#[test]
fn damaged_examples_are_refused_or_typed() {
    let names = ["fashion_resnet_qat.onnx", "fashion_resnet_early_exit.onnx", "fashion_resnet_dynamic.onnx"];
    let models = names.map(example);
    let mut outcome = Outcome::default();
    for version in 0..many(EXAMPLES) {
        let mut random = Random(version);
        let which = random.below(models.len());
        let bytes = damaged(&models[which], models[which].len(), &mut random);
        outcome.add(&format!("{} {version}", names[which]), || {
            let Ok(graph) = qcc_onnx::import_bytes(bytes.into(), None) else { return Ok(false) };
            Ok(pipeline::split(&graph, &bindings(&graph)).is_ok())
        });
    }
    outcome.check();
}

/// Artifacts of models of the corpus and of an example, each with the bytes of its header and what it computes.
fn artifacts() -> Vec<(String, Vec<u8>, usize, Vec<Tensor>)> {
    let mut all = corpus("qcc");
    let name = "fashion_resnet_qat.onnx";
    all.push((name.into(), qcc_tests::targets::compiled(&example(name)).expect("the example compiles")));
    all.into_iter()
        // A loop that never ends gives no result to compare with.
        .filter(|(name, _)| name != "endless_loop.onnx")
        .map(|(name, bytes)| {
            let program = artifact::decode(bytes.clone().into(), &LIMITS).unwrap_or_else(|e| panic!("{name}: {e}"));
            let results = run(program).unwrap_or_else(|e| panic!("{name}: {e}"));
            let header = u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes")) as usize;
            (name, bytes, 48 + header, results)
        })
        .collect()
}

fn run(program: Program) -> Result<Vec<Tensor>, String> {
    let inputs = inputs(program.inputs.iter().map(|port| &port.ty));
    let mut session =
        Session::new(Arc::new(program), &Options { tail: TAIL, ..Options::default() }).map_err(|e| e.to_string())?;
    session.run(&inputs).map_err(|e| e.to_string())
}

fn damage_artifacts(seal: fn(&mut [u8]), judge: fn(Vec<Tensor>, &[Tensor]) -> Result<(), String>) -> Outcome {
    let artifacts = artifacts();
    let mut outcome = Outcome::default();
    for version in 0..many(ARTIFACTS) {
        let mut random = Random(version);
        let (name, bytes, header, expected) = &artifacts[random.below(artifacts.len())];
        let mut bytes = damaged(bytes, *header, &mut random);
        if bytes.len() < 40 {
            continue;
        }
        seal(&mut bytes);
        outcome.add(&format!("{name} {version}"), || {
            let Ok(program) = artifact::decode(bytes.into(), &LIMITS) else { return Ok(false) };
            match run(program) {
                Ok(results) => judge(results, expected).map(|()| true),
                Err(why) if why.contains("this is a bug") => Err(why),
                Err(_) => Ok(false),
            }
        });
    }
    outcome
}

#[test]
fn a_damaged_artifact_is_refused() {
    let outcome = damage_artifacts(
        |_| (),
        |results, expected| {
            if results == expected { Ok(()) } else { Err("accepted, and its results are others".into()) }
        },
    );
    assert!(outcome.failures.is_empty(), "{}", outcome.failures.join("\n"));
    // Damage that changes nothing (a run of zeros filled with zeros) is no damage.
    assert!(outcome.accepted * 20 < outcome.refused, "{} accepted, {} refused", outcome.accepted, outcome.refused);
}

#[test]
fn a_damaged_artifact_that_was_sealed_again_is_refused_or_runs() {
    damage_artifacts(artifact::seal, |_, _| Ok(())).check();
}
