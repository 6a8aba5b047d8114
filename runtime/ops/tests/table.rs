//! Calls in `table.json` with the results that the reference evaluator of the `onnx` package gives.

use qcc_ops::{AttrValue, Attrs, InferInput, find};
use qcc_tensor::{DType, Tensor};
use serde_json::Value;

/// Relative and absolute difference that is allowed: the evaluator computes in f32.
const TOLERANCE: f64 = 2e-5;

fn number(v: &Value) -> f64 {
    match v.as_str() {
        Some("nan") => f64::NAN,
        Some("inf") => f64::INFINITY,
        Some(_) => f64::NEG_INFINITY,
        None => v.as_f64().expect("a number"),
    }
}

/// `[type, shape, elements]`.
fn tensor(v: &Value) -> Option<Tensor> {
    let parts = v.as_array()?;
    let dtype = DType::from_name(parts[0].as_str().expect("a type")).expect("a type");
    let shape: Vec<usize> =
        parts[1].as_array().expect("a shape").iter().map(|d| d.as_u64().expect("a size") as usize).collect();
    let data: Vec<f64> = parts[2].as_array().expect("elements").iter().map(number).collect();
    Some(Tensor::from_f64(dtype, shape, &data))
}

fn attribute(v: &Value, kind: qcc_ops::AttrKind) -> AttrValue {
    use qcc_ops::AttrKind as K;
    match kind {
        K::Int => AttrValue::Int(v.as_i64().expect("an integer")),
        K::Float => AttrValue::Float(number(v) as f32),
        K::Str => AttrValue::Str(v.as_str().expect("a text").into()),
        K::Ints => {
            AttrValue::Ints(v.as_array().expect("integers").iter().map(|i| i.as_i64().expect("an integer")).collect())
        }
        K::Type => AttrValue::Type(DType::from_name(v["type"].as_str().expect("a type")).expect("a type")),
        other => panic!("attributes of kind {other:?} are not in the table"),
    }
}

fn check(case: &Value) -> Result<(), String> {
    let op = find(case["op"].as_str().expect("an op")).ok_or("there is no such op")?;
    let mut attrs = Attrs::new();
    for (name, value) in case["attrs"].as_object().expect("attributes") {
        let def = op.attrs.iter().find(|d| d.name == name).ok_or(format!("no attribute {name}"))?;
        attrs.set(name, attribute(value, def.kind));
    }
    let tensors = |key: &str| case[key].as_array().expect("tensors").iter().map(tensor).collect::<Vec<_>>();
    let (inputs, expected) = (tensors("inputs"), tensors("outputs"));
    let given: Vec<Option<&Tensor>> = inputs.iter().map(Option::as_ref).collect();
    let typed: Vec<Option<InferInput<'_>>> =
        given.iter().map(|t| t.map(|t| InferInput { ty: t.ty(), value: Some(t) })).collect();
    let types = op.infer(&typed, &mut attrs, expected.len()).map_err(|e| e.to_string())?;
    let got = op.eval(&given, &attrs, expected.len()).map_err(|e| e.to_string())?;
    if !got.iter().map(Tensor::ty).eq(types.iter()) {
        return Err("inference and evaluation disagree".into());
    }
    for (i, (got, expected)) in got.iter().zip(expected.iter().flatten()).enumerate() {
        let close =
            |(g, e): (&f64, &f64)| g == e || (g.is_nan() && e.is_nan()) || (g - e).abs() <= TOLERANCE * (1.0 + e.abs());
        let (g, e) = (got.to_f64_vec(), expected.to_f64_vec());
        if got.ty() != expected.ty() || !g.iter().zip(&e).all(close) {
            return Err(format!("output {i} is {} {g:?}, expected {} {e:?}", got.ty(), expected.ty()));
        }
    }
    Ok(())
}

#[test]
fn every_call_of_the_table_gives_its_results() {
    let table: Vec<Value> = serde_json::from_str(include_str!("table.json")).expect("the table is JSON");
    assert!(table.len() > 90);
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|case| check(case).err().map(|e| format!("{} ({}): {e}", case["op"], case["claim"])))
        .collect();
    assert!(wrong.is_empty(), "{} of {} calls:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}
