//! Integer cores and body ops against the definition, written down a second time without the ops' own loops.

use qcc_ops::{AttrValue, Attrs, InferInput, find};
use qcc_tensor::{DType, Tensor};

/// Infers, evaluates, and checks that both agree on the type.
fn run(name: &str, inputs: &[Option<&Tensor>], attrs: Attrs) -> Tensor {
    let op = find(name).expect("the op is registered");
    let mut attrs = attrs;
    let typed: Vec<Option<InferInput<'_>>> =
        inputs.iter().map(|t| t.map(|t| InferInput { ty: t.ty(), value: Some(t) })).collect();
    let types = op.infer(&typed, &mut attrs, 1).expect("the call types");
    let out = op.eval(inputs, &attrs, 1).expect("the call evaluates").remove(0);
    assert_eq!(out.ty(), &types[0], "{name}: inference and evaluation disagree");
    out
}

/// Repeatable codes.
struct Codes(u64);

impl Codes {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as u8
    }

    fn tensor(&mut self, dtype: DType, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        match dtype {
            DType::I8 => Tensor::new(shape.to_vec(), (0..n).map(|_| self.next() as i8).collect()),
            _ => Tensor::new(shape.to_vec(), (0..n).map(|_| self.next()).collect()),
        }
    }
}

fn ints(values: &[i64]) -> AttrValue {
    AttrValue::Ints(values.to_vec())
}

/// One output of a convolution of `[1, c, h, w]` with `[o, c / g, k, k]`.
struct Geometry {
    channels: usize,
    size: [usize; 2],
    outputs: usize,
    group: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    pads: [usize; 4],
}

impl Geometry {
    fn out(&self, axis: usize) -> usize {
        (self.size[axis] + self.pads[axis] + self.pads[axis + 2] - ((self.kernel - 1) * self.dilation + 1))
            / self.stride
            + 1
    }

    fn attrs(&self, layout: &str) -> Attrs {
        Attrs::from_iter([
            ("group", AttrValue::Int(self.group as i64)),
            ("strides", ints(&[self.stride as i64; 2])),
            ("dilations", ints(&[self.dilation as i64; 2])),
            ("pads", ints(&self.pads.map(|p| p as i64))),
            ("layout", AttrValue::Str(layout.into())),
        ])
    }

    fn expected(&self, x: &[i64], w: &[i64], xz: i64, wz: i64, bias: &[i32]) -> Vec<i32> {
        let depth = self.channels / self.group;
        let mut out = Vec::new();
        for (o, &start) in bias.iter().enumerate().take(self.outputs) {
            for y in 0..self.out(0) {
                for q in 0..self.out(1) {
                    let mut acc = i64::from(start);
                    for c in 0..depth {
                        for i in 0..self.kernel {
                            for j in 0..self.kernel {
                                let row = (y * self.stride + i * self.dilation) as i64 - self.pads[0] as i64;
                                let column = (q * self.stride + j * self.dilation) as i64 - self.pads[1] as i64;
                                let inside = (0..self.size[0] as i64).contains(&row)
                                    && (0..self.size[1] as i64).contains(&column);
                                if inside {
                                    let channel = o / (self.outputs / self.group) * depth + c;
                                    let at = (channel * self.size[0] + row as usize) * self.size[1] + column as usize;
                                    let weight = ((o * depth + c) * self.kernel + i) * self.kernel + j;
                                    acc += (x[at] - xz) * (w[weight] - wz);
                                }
                            }
                        }
                    }
                    out.push(acc as i32);
                }
            }
        }
        out
    }
}

fn transposed(t: &Tensor, perm: &[i64]) -> Tensor {
    run("Transpose", &[Some(t)], Attrs::from_iter([("perm", ints(perm))]))
}

#[test]
fn integer_convolution_equals_its_definition_in_both_layouts() {
    let base = Geometry {
        channels: 4,
        size: [5, 7],
        outputs: 6,
        group: 1,
        kernel: 3,
        stride: 1,
        dilation: 1,
        pads: [1, 1, 1, 1],
    };
    let cases = [
        Geometry { kernel: 1, pads: [0; 4], ..base },
        Geometry { stride: 2, pads: [0, 0, 1, 1], ..base },
        Geometry { dilation: 2, pads: [2, 1, 0, 2], ..base },
        Geometry { group: 2, ..base },
        Geometry { group: 4, outputs: 4, stride: 2, ..base },
        Geometry { size: [1, 1], ..base },
        base,
    ];
    let mut codes = Codes(1);
    for (i, g) in cases.iter().enumerate() {
        for dtype in [DType::U8, DType::I8] {
            let x = codes.tensor(dtype, &[1, g.channels, g.size[0], g.size[1]]);
            let w = codes.tensor(DType::I8, &[g.outputs, g.channels / g.group, g.kernel, g.kernel]);
            let xz = codes.tensor(dtype, &[]);
            let wz = codes.tensor(DType::I8, &[]);
            let bias = Tensor::new([g.outputs], (0..g.outputs).map(|o| o as i32 * 1000 - 2500).collect());
            let wide = |t: &Tensor| t.to_i64_vec().expect("codes are integers");
            let expected = g.expected(&wide(&x), &wide(&w), wide(&xz)[0], wide(&wz)[0], bias.slice::<i32>());
            let rest = [Some(&w), Some(&xz), Some(&wz), Some(&bias)];
            let first = run("IConv", &[&[Some(&x)], &rest[..]].concat(), g.attrs("NCHW"));
            assert_eq!(first.slice::<i32>(), expected, "case {i}, {dtype}");
            let last = transposed(&x, &[0, 2, 3, 1]);
            let last = run("IConv", &[&[Some(&last)], &rest[..]].concat(), g.attrs("NHWC"));
            assert_eq!(transposed(&last, &[0, 3, 1, 2]), first, "case {i}, {dtype}, channels last");
        }
    }
}

/// `G g G'` of every 3x3 window of taps, with `G` twice Winograd's.
fn transformed(w: &Tensor) -> Tensor {
    const G: [[i64; 3]; 4] = [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]];
    let taps = w.to_i64_vec().expect("codes are integers");
    let of = |g: &[i64], i: usize| -> i64 { (0..9).map(|t| G[i / 4][t / 3] * g[t] * G[i % 4][t % 3]).sum() };
    let u = taps.chunks(9).flat_map(|g| (0..16).map(move |i| of(g, i) as i16)).collect();
    Tensor::new([w.shape()[0], w.shape()[1], 4, 4], u)
}

#[test]
fn integer_convolution_in_tiles_equals_its_definition_in_both_layouts() {
    let mut codes = Codes(3);
    for (size, pads) in
        [([5, 7], [1; 4]), ([4, 4], [0; 4]), ([2, 3], [1, 0, 2, 1]), ([1, 1], [1; 4]), ([6, 5], [2, 2, 0, 1])]
    {
        for dtype in [DType::U8, DType::I8] {
            let g = Geometry { channels: 4, size, outputs: 3, group: 1, kernel: 3, stride: 1, dilation: 1, pads };
            let x = codes.tensor(dtype, &[1, g.channels, size[0], size[1]]);
            let w = codes.tensor(DType::I8, &[g.outputs, g.channels, 3, 3]);
            let zero = codes.tensor(dtype, &[]);
            let bias = Tensor::new([g.outputs], (0..g.outputs).map(|o| o as i32 * 1000 - 2500).collect());
            let direct = run("IConv", &[Some(&x), Some(&w), Some(&zero), None, Some(&bias)], g.attrs("NCHW"));
            let u = transformed(&w);
            let attrs = |layout: &str| {
                Attrs::from_iter([("layout", AttrValue::Str(layout.into())), ("pads", ints(&pads.map(|p| p as i64)))])
            };
            let first = run("IWinograd", &[Some(&x), Some(&u), Some(&zero), Some(&bias)], attrs("NCHW"));
            assert_eq!(first, direct, "{size:?}, {pads:?}, {dtype}");
            let last = transposed(&x, &[0, 2, 3, 1]);
            let last = run("IWinograd", &[Some(&last), Some(&u), Some(&zero), Some(&bias)], attrs("NHWC"));
            assert_eq!(transposed(&last, &[0, 3, 1, 2]), direct, "{size:?}, {pads:?}, {dtype}, channels last");
        }
    }
}

#[test]
fn integer_matrix_product_equals_its_definition() {
    let mut codes = Codes(2);
    for (m, k, n) in [(1, 1, 1), (3, 17, 5), (2, 64, 4)] {
        let (a, b) = (codes.tensor(DType::U8, &[m, k]), codes.tensor(DType::I8, &[k, n]));
        let (az, bz) = (codes.tensor(DType::U8, &[]), codes.tensor(DType::I8, &[n]));
        let bias = Tensor::new([n], (0..n).map(|j| j as i32 - 7).collect());
        let (x, y) = (a.to_i64_vec().expect("codes"), b.to_i64_vec().expect("codes"));
        let (xz, yz) = (i64::from(az.bytes()[0]), bz.to_i64_vec().expect("codes"));
        let expected: Vec<i32> = (0..m * n)
            .map(|i| (0..k).map(|l| (x[i / n * k + l] - xz) * (y[l * n + i % n] - yz[i % n])).sum::<i64>() as i32)
            .enumerate()
            .map(|(i, acc)| acc + bias.slice::<i32>()[i % n])
            .collect();
        let out = run("IMatMul", &[Some(&a), Some(&b), Some(&az), Some(&bz), Some(&bias)], Attrs::new());
        assert_eq!(out.slice::<i32>(), expected, "{m}x{k}x{n}");
    }
}

#[test]
fn sums_of_codes_leave_out_the_zero_point_and_the_padding() {
    let x = Tensor::new([1, 1, 2, 2], vec![10u8, 20, 30, 40]);
    let zero = Tensor::scalar(5u8);
    let attrs = Attrs::from_iter([("kernel_shape", ints(&[2, 2])), ("pads", ints(&[0, 0, 1, 1]))]);
    let pooled = run("ISumPool", &[Some(&x), Some(&zero)], attrs);
    assert_eq!(pooled, Tensor::new([1, 1, 2, 2], vec![80i32, 50, 60, 35]));
    let reduced = run("IReduceSum", &[Some(&x), Some(&zero)], Attrs::from_iter([("axes", ints(&[2, 3]))]));
    assert_eq!(reduced, Tensor::new([1, 1, 1, 1], vec![80i32]));
}

#[test]
fn quantization_rounds_ties_to_even_before_the_zero_point_and_saturates() {
    let x = Tensor::new([8], vec![0.5f32, 1.5, 2.5, -0.5, 1e9, -1e9, f32::NAN, 126.5]);
    let codes =
        |zero: Tensor| run("QuantizeLinear", &[Some(&x), Some(&Tensor::scalar(1.0f32)), Some(&zero)], Attrs::new());
    assert_eq!(codes(Tensor::scalar(1u8)), Tensor::new([8], vec![1u8, 3, 3, 1, 255, 0, 0, 127]));
    assert_eq!(codes(Tensor::scalar(0i8)), Tensor::new([8], vec![0i8, 2, 2, 0, 127, -128, -128, 126]));
}

#[test]
fn requantization_follows_its_multiplier_along_the_channel_axis() {
    let acc = Tensor::new([1, 2, 2], vec![10i32, -10, 100_000, 3]);
    let m = Tensor::new([2], vec![0.25f32, 0.5]);
    let out = run("Requantize", &[Some(&acc), Some(&m), Some(&Tensor::scalar(3u8))], Attrs::new());
    assert_eq!(out, Tensor::new([1, 2, 2], vec![5u8, 1, 255, 5]));
}

#[test]
fn a_table_of_all_codes_is_the_function_itself() {
    for dtype in [DType::U8, DType::I8] {
        let all = run("Codes", &[], Attrs::from_iter([("dtype", AttrValue::Type(dtype))]));
        let table = run("DequantizeLinear", &[Some(&all), Some(&Tensor::scalar(0.1f32))], Attrs::new());
        let x = Codes(3).tensor(dtype, &[3, 5]);
        let looked_up = run("Lookup", &[Some(&x), Some(&table)], Attrs::new());
        assert_eq!(looked_up, run("DequantizeLinear", &[Some(&x), Some(&Tensor::scalar(0.1f32))], Attrs::new()));
        let flipped = run("Flip", &[Some(&x)], Attrs::new());
        assert_eq!(run("Flip", &[Some(&flipped)], Attrs::new()), x);
        assert_ne!(flipped.dtype(), x.dtype());
    }
}
