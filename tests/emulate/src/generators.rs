//! Kernels of the generators other than integer convolutions: pointwise functions, pools, sums, softmax and products of
//! floats, of moderate numbers: the bits of what is no number differ between CPUs.

use anyhow::anyhow;
use qcc_kernel::{BufferKind, Kernel, Width};
use qcc_lower::kernels::body::{Body, Fn1, Fn2, Node, NodeId, Operand};
use qcc_lower::kernels::depthwise_f32::{self, DepthwiseF32Spec};
use qcc_lower::kernels::layout::{Elem, Halo, TensorLayout};
use qcc_lower::kernels::map::{self, MapSpec};
use qcc_lower::kernels::normalize::{self, NormalizeKind, NormalizeSpec};
use qcc_lower::kernels::pool::{self, PoolKind, PoolSpec};
use qcc_lower::kernels::product_codes::{self, ProductCodesSpec};
use qcc_lower::kernels::product_f32::{self, ProductF32Spec};
use qcc_lower::kernels::reduce::{self, ReduceSpec};
use qcc_lower::kernels::softmax::{self, SoftmaxSpec};
use qcc_lower::kernels::{Arg, Generated};

use crate::cases::convolution::Random;

const WIDTHS: [Width; 2] = [Width::V128, Width::V256];
const BORDER: Halo = Halo { top: 1, left: 1, bottom: 1, right: 1 };

/// Kernels and what is in their buffers before they run.
///
/// # Errors
/// What a generator does not accept.
pub fn all() -> anyhow::Result<Vec<(Kernel, Vec<Vec<u8>>)>> {
    let mut kernels = Vec::new();
    // What a kernel reads beside its constants has one type of element.
    let mut add = |elem: Elem, generated: Result<Generated, String>| -> anyhow::Result<()> {
        let generated = generated.map_err(|why| anyhow!(why))?;
        let buffers = buffers(&generated, elem);
        kernels.push((generated.kernel, buffers));
        Ok(())
    };
    for channels in [1, 3, 4, 16, 33] {
        for width in WIDTHS {
            for elem in [Elem::U8, Elem::I8, Elem::I16, Elem::F32] {
                add(elem, map::generate(&sum_of_two(elem, channels), width))?;
            }
            for f in [
                Fn1::Neg,
                Fn1::Abs,
                Fn1::Floor,
                Fn1::Ceil,
                Fn1::Round,
                Fn1::Sqrt,
                Fn1::Exp,
                Fn1::Tanh,
                Fn1::Sigmoid,
                Fn1::Erf,
            ] {
                add(Elem::F32, map::generate(&function(f, channels), width))?;
            }
            for elem in [Elem::U8, Elem::I8, Elem::F32] {
                add(elem, pool::generate(&pooled(PoolKind::Max, elem, channels), width))?;
                add(elem, pool::generate(&pooled(PoolKind::Sum { zero_point: 0 }, elem, channels), width))?;
                add(elem, reduce::generate(&reduced(elem, channels), width))?;
            }
            add(Elem::F32, depthwise_f32::generate(&depthwise(channels), width))?;
        }
        let rows = TensorLayout::dense(1, 1, 5, channels, Elem::F32);
        let softmax = SoftmaxSpec { name: "softmax".into(), input: rows, output: rows, body: Body::identity() };
        add(Elem::F32, softmax::generate(&softmax))?;
        for kind in [NormalizeKind::Sum, NormalizeKind::Max, NormalizeKind::Min, NormalizeKind::Layer { epsilon: 1e-3 }]
        {
            let reduces = !matches!(kind, NormalizeKind::Layer { .. });
            let output = TensorLayout { c: if reduces { 1 } else { channels }, ..rows };
            let output = TensorLayout { pitch: output.c, ..output };
            let name = format!("{kind:?}");
            let spec = NormalizeSpec { name, kind, input: rows, output, body: Body::identity() };
            add(Elem::F32, normalize::generate(&spec))?;
        }
        for outputs in [1, 8, 17, 34] {
            add(Elem::F32, product_f32::generate(&product(channels, outputs)))?;
            for bits in [2, 4, 8] {
                add(Elem::F32, product_codes::generate(&product_of_codes(channels, outputs, bits)))?;
            }
        }
    }
    Ok(kernels)
}

/// Moderate numbers for all that a kernel reads.
fn buffers(generated: &Generated, elem: Elem) -> Vec<Vec<u8>> {
    let mut random = Random(generated.kernel.buffers.len() as u64);
    let mut moderate = |bytes: usize| -> Vec<u8> {
        match elem {
            Elem::F32 => floats(&mut random, bytes.div_ceil(4)).into_iter().flat_map(f32::to_le_bytes).collect(),
            _ => (0..bytes).map(|_| random.below(256) as u8).collect(),
        }
    };
    let of = |(arg, decl): (&Arg, &qcc_kernel::BufferDecl)| match (arg, decl.kind) {
        (Arg::Constants, _) => generated.constants.clone(),
        (_, BufferKind::In) => moderate(decl.bytes),
        _ => vec![0xcd; decl.bytes],
    };
    generated.args.iter().zip(&generated.kernel.buffers).map(of).collect()
}

fn floats(random: &mut Random, n: usize) -> Vec<f32> {
    (0..n).map(|_| random.between(-4000, 4000) as f32 / 1000.0).collect()
}

fn sum_of_two(elem: Elem, channels: usize) -> MapSpec {
    let layout = TensorLayout::dense(1, 3, 5, channels, elem);
    let mut body = Body::new();
    let [p, q] = [layout, layout.with_halo(BORDER)].map(|l| body.operand(Operand::Tensor(l)));
    if elem == Elem::F32 {
        body.push(Node::Binary(Fn2::Add, p, q));
    } else {
        let [p, q] = [(p, 0.043), (q, 0.11)].map(|(q, scale)| {
            let scale = body.push(Node::F32(scale));
            body.push(Node::Dequantize { q, scale, zero_point: 3 })
        });
        let x = body.push(Node::Binary(Fn2::Add, p, q));
        let scale = body.push(Node::F32(0.07));
        body.push(Node::Quantize { x, scale, zero_point: 5, to: elem });
    }
    MapSpec { name: format!("sum of two {elem:?}"), output: layout, body }
}

fn function(f: Fn1, channels: usize) -> MapSpec {
    let output = TensorLayout::dense(1, 3, 5, channels, Elem::F32);
    let mut body = map::copy_of(output);
    let x = if f == Fn1::Sqrt { body.push(Node::Unary(Fn1::Abs, NodeId(0))) } else { NodeId(0) };
    body.push(Node::Unary(f, x));
    MapSpec { name: format!("{f:?}"), output, body }
}

fn pooled(kind: PoolKind, elem: Elem, channels: usize) -> PoolSpec {
    let mut body = Body::identity();
    let to = match (kind, elem) {
        (PoolKind::Sum { .. }, Elem::U8 | Elem::I8) => {
            let multiplier = body.push(Node::F32(1.0 / 9.0));
            body.push(Node::Requantize { acc: NodeId(0), multiplier, zero_point: 4, to: elem });
            elem
        }
        _ => elem,
    };
    PoolSpec {
        name: format!("{kind:?} of {elem:?}"),
        kind,
        input: TensorLayout::dense(1, 7, 9, channels, elem).with_halo(BORDER),
        output: TensorLayout::dense(1, 4, 5, channels, to),
        kernel: [3, 3],
        strides: [2, 2],
        dilations: [1, 1],
        pads: [1, 1],
        body,
    }
}

fn reduced(elem: Elem, channels: usize) -> ReduceSpec {
    let to = if elem == Elem::F32 { Elem::F32 } else { Elem::I32 };
    ReduceSpec {
        name: format!("sum of {elem:?}"),
        input: TensorLayout::dense(2, 7, 7, channels, elem),
        zero_point: 0,
        output: TensorLayout::dense(2, 1, 1, channels, to),
        body: Body::identity(),
    }
}

fn depthwise(channels: usize) -> DepthwiseF32Spec {
    DepthwiseF32Spec {
        name: "depthwise".into(),
        input: TensorLayout::dense(1, 5, 7, channels, Elem::F32).with_halo(BORDER),
        output: TensorLayout::dense(1, 5, 7, channels, Elem::F32),
        weights: floats(&mut Random(5), 9 * channels),
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1],
        body: Body::identity(),
    }
}

fn product(channels: usize, outputs: usize) -> ProductF32Spec {
    ProductF32Spec {
        input: TensorLayout::dense(1, 5, 7, channels, Elem::F32).with_halo(BORDER),
        output: TensorLayout::dense(1, 5, 7, outputs, Elem::F32),
        weights: floats(&mut Random(7), 9 * channels * outputs),
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1; 4],
        group: 1,
        body: Body::identity(),
    }
}

fn product_of_codes(terms: usize, outputs: usize, bits: usize) -> ProductCodesSpec {
    let mut random = Random(bits as u64);
    let half = 1 << (bits - 1);
    ProductCodesSpec {
        input: TensorLayout::dense(1, 1, 3, terms, Elem::F32),
        output: TensorLayout::dense(1, 1, 3, outputs, Elem::F32),
        codes: (0..terms * outputs).map(|_| random.between(-half, half - 1) as i16).collect(),
        bits,
        block: terms,
        scales: (0..outputs).map(|_| random.between(1, 100) as f32 / 1000.0).collect(),
        zeros: vec![0; outputs],
        body: Body::identity(),
    }
}
