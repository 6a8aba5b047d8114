//! Whatever an op is given, inference refuses it in words or evaluation gives what inference promised.

use qcc_ops::{AttrKind, AttrValue, Attrs, InferInput, registry};
use qcc_tensor::{DType, Tensor, TensorType};

/// Calls per operator.
const CALLS: usize = 2000;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn tensor(&mut self) -> Tensor {
        let dtype = [DType::F32, DType::F32, DType::I64, DType::U8, DType::I8, DType::I32, DType::Bool, DType::F64]
            [self.below(8)];
        let shape: Vec<usize> = (0..self.below(5)).map(|_| [1, 2, 3, 0, 4, 2][self.below(6)]).collect();
        let values: Vec<f64> =
            (0..shape.iter().product()).map(|_| [0.0, 1.0, -1.0, 2.0, f64::NAN, 3.5][self.below(6)]).collect();
        Tensor::from_f64(dtype, shape, &values)
    }

    fn int(&mut self) -> i64 {
        [0, 1, 2, -1, 3, -3, i64::MAX, i64::MIN][self.below(8)]
    }

    fn attr(&mut self, kind: AttrKind) -> AttrValue {
        match kind {
            AttrKind::Int => AttrValue::Int(self.int()),
            AttrKind::Float => AttrValue::Float([0.0, 1.0, -2.0, f32::NAN][self.below(4)]),
            AttrKind::Str => AttrValue::Str(
                ["NHWC", "NCHW", "SAME_UPPER", "constant", "edge", "reflect", "tanh", "?"][self.below(8)].into(),
            ),
            AttrKind::Ints => AttrValue::Ints((0..self.below(5)).map(|_| self.int()).collect()),
            AttrKind::Floats => AttrValue::Floats(vec![1.0]),
            AttrKind::Strs => AttrValue::Strs(vec!["x".into()]),
            AttrKind::Type => AttrValue::Type([DType::F32, DType::U8, DType::I64, DType::I8][self.below(4)]),
        }
    }
}

#[test]
fn no_operator_panics_and_evaluation_keeps_what_inference_promised() {
    let mut random = Random(7);
    let mut failures = Vec::new();
    let mut evaluated = 0;
    std::panic::set_hook(Box::new(|_| {}));
    for op in registry() {
        let mut told = false;
        for _ in 0..CALLS {
            let count = random.below(op.inputs.len().max(1) + 2);
            let tensors: Vec<Option<Tensor>> =
                (0..count).map(|_| (random.below(8) > 0).then(|| random.tensor())).collect();
            let mut attrs = Attrs::new();
            for def in op.attrs {
                if random.below(3) == 0 {
                    attrs.set(def.name, random.attr(def.kind));
                }
            }
            let outputs = 1 + random.below(2);
            let call = format!("{op} {tensors:?} {attrs:?} -> {outputs}");
            let result = std::panic::catch_unwind(|| -> Result<Option<Vec<TensorType>>, Vec<TensorType>> {
                let inputs: Vec<Option<InferInput<'_>>> =
                    tensors.iter().map(|t| t.as_ref().map(|t| InferInput { ty: t.ty(), value: Some(t) })).collect();
                let mut attrs = attrs.clone();
                let Ok(types) = op.infer(&inputs, &mut attrs, outputs) else { return Ok(None) };
                // Large results are legal; computing them is not what is tested here.
                if types.iter().map(TensorType::elements).sum::<usize>() > 1 << 16 {
                    return Ok(None);
                }
                let inputs: Vec<Option<&Tensor>> = tensors.iter().map(Option::as_ref).collect();
                let Ok(values) = op.eval(&inputs, &attrs, outputs) else { return Ok(None) };
                let got: Vec<TensorType> = values.iter().map(|t| t.ty().clone()).collect();
                if got == types { Ok(Some(got)) } else { Err(got) }
            });
            let problem = match result {
                Ok(Ok(Some(_))) => {
                    evaluated += 1;
                    continue;
                }
                Ok(Ok(None)) => continue,
                Ok(Err(got)) => format!("inference and evaluation disagree, evaluation gave {got:?}"),
                Err(_) => "panic".to_string(),
            };
            if !std::mem::replace(&mut told, true) {
                failures.push(format!("{call}: {problem}"));
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(failures.is_empty(), "{} operators:\n{}", failures.len(), failures.join("\n"));
    assert!(evaluated > 5000, "only {evaluated} calls were legal");
}
