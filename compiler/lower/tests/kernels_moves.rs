//! Moves: interpreter, machine code and a walk over single elements agree, and transposes equal the operator.

mod reference;

use qcc_lower::kernels::layout::{Elem, Halo, SLACK, TensorLayout};
use qcc_lower::kernels::moves::{
    MoveSpec, Strided, border, generate, repeat_pixels, to_channels_first, to_channels_last, transpose,
};
use qcc_ops::{AttrValue, Attrs};
use reference::{Random, from_bytes, lay_out, op, read_back, run, shape, untouched};

/// The buffer after moving one element at a time.
fn naive(spec: &MoveSpec, input: &[u8]) -> Vec<u8> {
    let mut output = untouched(spec.to.bytes);
    let total: usize = spec.dims.iter().product();
    for flat in 0..total {
        let (mut rest, mut from, mut to) = (flat, spec.from.offset as isize, spec.to.offset as isize);
        for axis in (0..spec.dims.len()).rev() {
            let i = (rest % spec.dims[axis]) as isize;
            rest /= spec.dims[axis];
            from += i * spec.from.strides[axis];
            to += i * spec.to.strides[axis];
        }
        let (from, to) = (from as usize, to as usize);
        output[to..to + spec.element].copy_from_slice(&input[from..from + spec.element]);
    }
    output
}

fn check(spec: &MoveSpec) {
    let mut random = Random(spec.from.bytes as u64);
    let input: Vec<u8> = (0..spec.from.bytes + SLACK).map(|_| random.next() as u8).collect();
    let generated = generate(spec).unwrap_or_else(|why| panic!("{spec:?}: {why}"));
    let got = run(&generated, &[&input], &[], spec.to.bytes);
    assert!(got == naive(spec, &input), "{spec:?}\n{}", generated.kernel);
}

fn permutations(rank: usize) -> Vec<Vec<usize>> {
    if rank == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(rank - 1);
    shorter
        .iter()
        .flat_map(|p| {
            (0..rank).map(move |at| {
                let mut p = p.clone();
                p.insert(at, rank - 1);
                p
            })
        })
        .collect()
}

#[test]
fn every_transpose() {
    let shapes: [&[usize]; 10] = [
        &[],
        &[5],
        &[3, 17],
        &[16, 16],
        &[33, 2],
        &[2, 15, 7],
        &[4, 3, 16],
        &[2, 3, 5, 19],
        &[1, 17, 1, 4],
        &[5, 2, 19, 2],
    ];
    for shape in shapes {
        for axes in permutations(shape.len()) {
            for (element, elem) in [(1, Elem::I8), (4, Elem::I32)] {
                let spec = transpose("transpose", element, shape, &axes);
                check(&spec);
                let x = Random(1).tensor(elem, shape);
                let perm = AttrValue::Ints(axes.iter().map(|&a| a as i64).collect());
                let want = op("Transpose", &[Some(&x)], Attrs::new().with("perm", perm));
                let mut input = x.bytes().to_vec();
                input.resize(input.len() + SLACK, 1);
                let got = run(&generate(&spec).expect("a kernel"), &[&input], &[], spec.to.bytes);
                assert_eq!(from_bytes(elem, want.shape(), &got).bytes(), want.bytes(), "{shape:?} {axes:?}");
            }
            for element in [2, 8] {
                check(&transpose("transpose", element, shape, &axes));
            }
        }
    }
}

#[test]
fn channels_first_to_last_and_back() {
    let sizes = [[1, 1, 1, 1], [1, 5, 7, 3], [2, 16, 16, 3], [1, 3, 11, 2], [1, 9, 15, 4], [2, 4, 4, 5], [1, 7, 7, 16]];
    let more = [[1, 13, 3, 17], [3, 6, 5, 31], [1, 64, 65, 3], [1, 48, 48, 9], [0, 3, 3, 3], [2, 0, 4, 3]];
    let halo = Halo { top: 1, left: 2, bottom: 0, right: 3 };
    for [n, h, w, c] in sizes.into_iter().chain(more) {
        for elem in [Elem::U8, Elem::F32] {
            let dense = TensorLayout::dense(n, h, w, c, elem);
            let sliced = TensorLayout { pitch: c + 3, first: 1, ..dense };
            for layout in [dense, dense.with_halo(halo), sliced, sliced.with_halo(halo)] {
                check(&to_channels_last("last", &layout));
                check(&to_channels_first("first", &layout));
            }
        }
    }
}

#[test]
fn slices_repeats_and_reversals() {
    for element in [1, 2, 4, 8] {
        let e = element as isize;
        for inner in [1usize, 3, 16, 29, 200] {
            let row = inner as isize * e;
            let cases = [
                // Every other row, the middle of each.
                (vec![3, inner], 2 * e, vec![2 * (row + 4 * e), e]),
                // One row again and again.
                (vec![5, inner], 0, vec![0, e]),
                // One element again and again.
                (vec![inner, 4], 0, vec![e, 0]),
                // Backwards.
                (vec![2, inner], row - e, vec![row, -e]),
                // Every third element.
                (vec![2, inner], e, vec![3 * row, 3 * e]),
            ];
            for (dims, offset, strides) in cases {
                let from = Strided { bytes: (row * 12 + 64 * e) as usize, offset: offset as usize, strides };
                let to = Strided::dense(&dims, element);
                check(&MoveSpec { name: "slice".into(), element, dims: dims.clone(), from: from.clone(), to });
                // Into a wider buffer.
                let to = Strided {
                    bytes: (dims[0] * (dims[1] + 5)) * element,
                    offset: 3 * element,
                    strides: vec![(dims[1] as isize + 5) * e, e],
                };
                check(&MoveSpec { name: "piece".into(), element, dims, from, to });
            }
        }
    }
}

#[test]
fn pixels_are_repeated() {
    for [n, h, w, c] in [[1, 1, 1, 1], [2, 3, 2, 5], [1, 2, 5, 16], [1, 3, 3, 70], [1, 4, 7, 1]] {
        for factors in [[1, 1], [2, 2], [3, 1], [1, 4]] {
            let x = Random(c as u64).tensor(Elem::U8, &[n, h, w, c]);
            let input = TensorLayout::dense(n, h, w, c, Elem::U8);
            let halo = Halo { top: 1, left: 2, bottom: 0, right: 1 };
            let output = TensorLayout::dense(n, h * factors[0], w * factors[1], c, Elem::U8).with_halo(halo);
            let spec = repeat_pixels("repeat", &input, &output, factors).expect("sizes fit");
            check(&spec);
            let buffer = run(&generate(&spec).expect("a kernel"), &[&lay_out(&x, &input, 7)], &[], spec.to.bytes);
            let mut buffer = buffer;
            buffer.resize(output.bytes(), untouched(1)[0]);
            let got = read_back(&buffer, &output);
            let at = |y: usize, x: usize| (y / factors[0] * w + x / factors[1]) * c;
            for (i, &code) in got.slice::<u8>().iter().take(output.h * output.w * c).enumerate() {
                let (pixel, channel) = (i / c, i % c);
                assert_eq!(code, x.slice::<u8>()[at(pixel / output.w, pixel % output.w) + channel]);
            }
        }
    }
    let small = TensorLayout::dense(1, 2, 2, 3, Elem::U8);
    assert!(repeat_pixels("odd", &small, &TensorLayout { h: 5, ..small }, [2, 1]).is_err());
}

#[test]
fn long_runs_are_split() {
    for bytes in [4095, 4096, 4097, 70_001] {
        let spec = transpose("copy", 1, &[bytes], &[0]);
        check(&spec);
        assert_eq!(generate(&spec).expect("a kernel").kernel.tasks as usize, bytes.div_ceil(4096));
    }
}

#[test]
fn borders() {
    for halo in [
        Halo::default(),
        Halo { top: 1, left: 1, bottom: 1, right: 1 },
        Halo { top: 0, left: 3, bottom: 2, right: 0 },
        Halo { top: 2, left: 0, bottom: 0, right: 5 },
    ] {
        for [n, h, w, c] in [[1, 1, 1, 1], [2, 3, 5, 7], [1, 4, 2, 19], [3, 1, 1, 16]] {
            let layout = TensorLayout::dense(n, h, w, c, Elem::U8).with_halo(halo);
            let got = run(&border("border", &layout, 0x0909_0909).expect("a kernel"), &[], &[], layout.bytes());
            // The result is a tensor of untouched bytes in a buffer of nines.
            let kept = from_bytes(Elem::U8, &shape(&layout), &vec![untouched(1)[0]; layout.len()]);
            let mut want = lay_out(&kept, &layout, 9);
            want[layout.data_bytes()..].fill(untouched(1)[0]);
            assert!(got == want, "{layout:?}");
        }
    }
    let plain = TensorLayout::dense(1, 2, 2, 2, Elem::U8);
    let kernel = border("none", &plain, 0).expect("a kernel");
    assert_eq!(read_back(&run(&kernel, &[], &[], plain.bytes()), &plain).bytes(), untouched(8));
}

#[test]
fn what_cannot_be_is_refused() {
    let good = transpose("good", 1, &[4, 5], &[1, 0]);
    let odd = MoveSpec { element: 3, ..good.clone() };
    let ranks = MoveSpec { dims: vec![4, 5, 1], ..good.clone() };
    let outside = MoveSpec { from: Strided { offset: 1, ..good.from.clone() }, ..good.clone() };
    let before = MoveSpec { to: Strided { strides: vec![-1, 1], ..good.to.clone() }, ..good };
    for (spec, wanted) in [(odd, "3 bytes"), (ranks, "strides"), (outside, "1..21"), (before, "-4..")] {
        let why = generate(&spec).expect_err("refused");
        assert!(why.contains(wanted), "{why}");
    }
}
