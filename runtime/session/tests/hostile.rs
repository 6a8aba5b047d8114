//! Artifacts that somebody edited and sealed again, so that their checksum fits: refused with the reason, or harmless.

mod build;

use build::{Builder, reference_program};
use qcc_kernel::program::{Action, BufferId, Gemm, Halo, Im2Col, Limits, Matrix, Place, Program, Tail};
use qcc_kernel::{
    Addr, Buf, BufferKind, Carried, IndexOp, Inst, InterpretError, Kernel, KernelBuilder, Lane, Loop, Op, Trip, Ty,
    Value, Width, interpret,
};
use qcc_session::{Engine, Options, Session, artifact};
use qcc_tensor::{DType, Tensor, TensorType};
use std::sync::Arc;

const LIMITS: Limits = Limits { memory: 1 << 16, work: 1 << 16, instructions: 1 << 10 };

/// The largest offset that [`pick`] may read at.
const FARTHEST: i64 = 240;

/// `y[task] = x[offsets[task]..][..4]`, through a loop, a branch and scratch memory.
fn pick(width: Width) -> Kernel {
    let mut b = KernelBuilder::with_width("pick", 2, width);
    let (x, offsets) = (b.input("x", 256), b.constants("offsets", 8));
    let (y, scratch) = (b.output("y", 32), b.buffer("s", 64, BufferKind::Scratch));
    let at = b.mul(b.task(), 4);
    let from = b.index_load(offsets.at(at, 0), 4, 0, FARTHEST);
    let v = b.load(Lane::F32, 16, x.at(from, 0));
    let start = b.index(0);
    b.loop_carried(4, 16, &[start], |b, i, carried| {
        b.store(scratch.at(i, 0), 16, v);
        vec![b.add(carried[0], 16)]
    });
    let to = b.mul(b.task(), 16);
    let w = b.load(Lane::F32, 16, scratch.fixed(48));
    b.if_less(b.task(), 1, |b| b.store(y.fixed(0), 16, w), |b| b.store(y.at(to, 0), 16, w));
    b.finish()
}

const X: BufferId = BufferId(0);
const WINDOWS: BufferId = BufferId(1);
const PICKED: BufferId = BufferId(2);
const ADDED: BufferId = BufferId(3);
const SCRATCH: BufferId = BufferId(4);
const CONDITION: BufferId = BufferId(5);
const CHOSEN: BufferId = BufferId(6);
const OFFSETS: BufferId = BufferId(7);
const WEIGHTS: BufferId = BufferId(8);
const ONE: BufferId = BufferId(9);

const KERNEL: usize = 0;
const HALO: usize = 1;
const PRODUCT: usize = 2;
const ADD: usize = 3;
const COPY: usize = 4;
const IF: usize = 5;

/// One step of every kind.
fn everything(offsets: [i32; 2]) -> Program {
    with_kernel(pick(Width::V128), offsets)
}

fn with_kernel(kernel: Kernel, offsets: [i32; 2]) -> Program {
    let mut p = Builder::new();
    let f32s = |shape: &[usize]| TensorType::new(DType::F32, shape.iter().copied());
    let sizes = [("x", 256), ("windows", 144), ("picked", 32), ("added", 32), ("s", 64), ("c", 1), ("chosen", 24)];
    for (name, bytes) in sizes {
        p.buffer(name, bytes);
    }
    let words: Vec<u8> = offsets.iter().flat_map(|o| o.to_le_bytes()).collect();
    p.constant("offsets", &words);
    p.constant("weights", &[0; 256]);
    p.constant("one", &1.0f32.to_le_bytes());
    p.0.kernels.push(kernel);
    p.step(Action::Kernel { kernel: 0, buffers: vec![X, OFFSETS, PICKED, SCRATCH] });
    p.step(Action::Halo(Halo { buffer: PICKED, value: 0, ranges: vec![(28, 32)] }));
    let matrix = |buffer, row| Matrix { buffer, offset: 0, row, column: 1, batch: 0 };
    p.step(Action::Gemm(Gemm {
        batch: 1,
        m: 9,
        n: 4,
        k: 16,
        a: matrix(X, 16),
        b: matrix(WEIGHTS, 4),
        c: matrix(WINDOWS, 4),
        im2col: Some(Im2Col {
            input: [1, 4, 4, 4],
            output: [3, 3],
            kernel: [2, 2],
            strides: [1, 1],
            dilations: [1, 1],
            pads: [0, 0],
            channels: [0, 4],
        }),
    }));
    p.step(Action::Reference {
        op: qcc_ops::find("Add").expect("Add is an op"),
        attrs: qcc_ops::Attrs::default(),
        inputs: vec![Some((PICKED, f32s(&[8]))), Some((ONE, f32s(&[])))],
        outputs: vec![(ADDED, f32s(&[8]))],
    });
    p.step(Action::Copy { from: ADDED, to: PICKED, bytes: 32 });
    let then_branch = (*reference_program()).clone();
    // Branches share the constants of the whole: the number at their start.
    let Place::Constant(one) = p.0.buffers[ONE.0 as usize].place else { unreachable!("one is constant") };
    let mut branch = then_branch.clone();
    branch.buffers[2].place = Place::Constant(one);
    p.step(Action::If {
        condition: CONDITION,
        captures: vec![ADDED],
        outputs: vec![CHOSEN],
        then_branch: Box::new(branch.clone()),
        else_branch: Box::new(branch),
    });
    p.0.inputs.push(Builder::port("x", f32s(&[1, 4, 4, 4]), X));
    p.0.inputs.push(Builder::port("c", TensorType::new(DType::Bool, []), CONDITION));
    p.0.outputs.push(Builder::port("windows", f32s(&[9, 4]), WINDOWS));
    p.0.outputs.push(Builder::port("picked", f32s(&[8]), PICKED));
    p.0.outputs.push(Builder::port("chosen", f32s(&[2, 3]), CHOSEN));
    p.0
}

fn inputs() -> [Tensor; 2] {
    [Tensor::new([1, 4, 4, 4], (0..64).map(|i| i as f32).collect()), Tensor::scalar(true)]
}

fn decode(program: &Program) -> Result<Program, String> {
    artifact::decode(artifact::encode(program).into(), &LIMITS).map_err(|e| e.to_string())
}

#[test]
fn the_program_itself_is_accepted_and_runs() {
    let widths = [Width::V128, Width::V256];
    for (engine, width) in [Engine::Jit, Engine::Interpreter].into_iter().flat_map(|e| widths.map(|w| (e, w))) {
        let program = decode(&with_kernel(pick(width), [16, FARTHEST as i32])).expect("it is sound");
        for threads in [1, 2] {
            let mut session =
                Session::new(Arc::new(program.clone()), &Options { threads, engine, ..Default::default() })
                    .expect("it is sound");
            let picked = session.run(&inputs()).expect("it runs")[1].clone();
            assert_eq!(picked.slice::<f32>(), [5.0, 6.0, 7.0, 8.0, 61.0, 62.0, 63.0, 1.0]);
        }
    }
}

/// Numbers that machine code adds to addresses may be anything in the file: what is out of range reads the farthest place.
#[test]
fn offsets_in_constants_cannot_lead_out_of_a_buffer() {
    let numbers = [FARTHEST as i32 + 4, i32::MAX, i32::MIN, -1];
    for (wild, width) in numbers.into_iter().flat_map(|n| [Width::V128, Width::V256].map(|w| (n, w))) {
        let program = Arc::new(decode(&with_kernel(pick(width), [wild, 0])).expect("constants are data"));
        let mut session = Session::new(Arc::clone(&program), &Options::default()).expect("it is sound");
        let picked = session.run(&inputs()).expect("it runs")[1].clone();
        assert_eq!(picked.slice::<f32>(), [61.0, 62.0, 63.0, 64.0, 1.0, 2.0, 3.0, 1.0], "{wild}");
        let interpreter = Options { engine: Engine::Interpreter, ..Options::default() };
        let stopped = Session::new(program, &interpreter).expect("it is sound").run(&inputs()).expect_err("it is wild");
        assert!(stopped.to_string().contains("outside the promised range"), "{stopped}");
    }
}

fn kernel(p: &mut Program) -> &mut Kernel {
    &mut p.kernels[0]
}

/// The operation that gives value `v` of the kernel's outermost block.
fn op(p: &mut Program, v: u32) -> &mut Op {
    let found = kernel(p).body.iter_mut().find_map(|inst| match inst {
        Inst::Let { dst: Value(d), op } if *d == v => Some(op),
        _ => None,
    });
    found.expect("the value is computed")
}

fn address(p: &mut Program, v: u32) -> &mut Addr {
    match op(p, v) {
        Op::Load { addr, .. } | Op::IndexLoad { addr, .. } => addr,
        other => panic!("{other:?} has no address"),
    }
}

fn the_loop(p: &mut Program) -> &mut Loop {
    let found = kernel(p).body.iter_mut().find_map(|inst| if let Inst::Loop(l) = inst { Some(l) } else { None });
    found.expect("there is a loop")
}

fn insert(p: &mut Program, op: Op, ty: Ty) {
    let k = kernel(p);
    k.types.push(ty);
    let dst = Value(k.types.len() as u32 - 1);
    k.body.push(Inst::Let { dst, op });
}

fn product(p: &mut Program) -> &mut Gemm {
    match &mut p.steps[PRODUCT].action {
        Action::Gemm(gemm) => gemm,
        _ => unreachable!("it is a product"),
    }
}

fn window(p: &mut Program) -> &mut Im2Col {
    product(p).im2col.as_mut().expect("it gathers")
}

fn kernel_buffers(p: &mut Program) -> &mut Vec<BufferId> {
    match &mut p.steps[KERNEL].action {
        Action::Kernel { buffers, .. } => buffers,
        _ => unreachable!("it is a kernel"),
    }
}

/// What of the program is edited, how, and what the refusal says.
type Case = (&'static str, fn(&mut Program), &'static str);

const CASES: &[Case] = &[
    // Memory.
    ("an arena of everything", |p| p.arena_bytes = usize::MAX, "bytes of memory, the limit is 65536"),
    ("an arena too small", |p| p.arena_bytes = 64, "leave the arena of 64 bytes"),
    ("a buffer at an odd place", |p| p.buffers[1].place = Place::Arena(8), "not a multiple of 64"),
    ("a buffer behind the arena", |p| p.buffers[1].place = Place::Arena(1 << 40), "leave the arena"),
    ("a buffer that wraps", |p| p.buffers[1].bytes = usize::MAX, "leave the arena"),
    ("a constant behind the file", |p| p.buffers[8].place = Place::Constant(512), "leave the constants of 384 bytes"),
    ("a constant that is written", |p| kernel_buffers(p)[2] = WEIGHTS, "writes to buffer 8, which is constant"),
    ("an input in the constants", |p| p.inputs[0].buffer = WEIGHTS, "writes to buffer 8, which is constant"),
    ("an input larger than its buffer", |p| p.inputs[0].ty.shape[1] = 5, "f32[1,5,4,4]: needs 320 bytes"),
    ("an output of all memory", |p| p.outputs[0].ty.shape[0] = usize::MAX, "larger than memory"),
    (
        "an output of no element and all memory",
        |p| p.outputs[0].ty.shape = [0, 1 << 40, 1 << 40].into_iter().collect(),
        "larger than memory",
    ),
    ("an output of no buffer", |p| p.outputs[0].buffer = BufferId(77), "buffer 77 is not there"),
    // Samples.
    ("a run of no sample", |p| p.samples = 0, "axis 0 of f32[1,4,4,4] does not hold 0 samples"),
    ("samples that an input does not have", |p| p.samples = 2, "axis 0 of f32[1,4,4,4] does not hold 2 samples"),
    (
        "samples of a number",
        |p| (p.samples, p.inputs[0].ty.shape[0]) = (2, 2),
        "axis 0 of bool[] does not hold 2 samples",
    ),
    (
        "samples without end that take no memory",
        |p| {
            (p.inputs, p.outputs, p.samples) = (Vec::new(), Vec::new(), usize::MAX);
        },
        "operations for a run, the limit is 65536",
    ),
    (
        "a branch that runs for samples",
        |p| {
            let Some(Action::If { then_branch, .. }) = p.steps.last_mut().map(|step| &mut step.action) else {
                unreachable!("the last step is a branch")
            };
            then_branch.samples = 2;
        },
        "a branch, or a program with calls after its steps, runs once",
    ),
    // Kernels: how they are called.
    (
        "a kernel that is not there",
        |p| p.steps[KERNEL].action = Action::Kernel { kernel: 9, buffers: vec![] },
        "kernel 9 is not there",
    ),
    ("a kernel with a buffer less", |p| kernel_buffers(p).truncate(3), "takes 4 buffers, got 3"),
    ("a kernel with a small buffer", |p| kernel_buffers(p)[0] = PICKED, "needs 256 bytes, buffer 2 (`picked`) has 32"),
    ("a kernel that claims more than its buffer", |p| kernel(p).buffers[2].bytes = 33, "needs 33 bytes"),
    ("a kernel that claims all memory", |p| kernel(p).buffers[2].bytes = usize::MAX, "larger than memory"),
    (
        "a kernel with an alignment nobody gives",
        |p| kernel(p).buffers[0].align = 4096,
        "alignment 4096 cannot be given",
    ),
    // Kernels: addresses.
    ("a load behind its buffer", |p| address(p, 3).offset = 16, "16 bytes at 16..=256 leave buffer x of 256 bytes"),
    ("a load in front of its buffer", |p| address(p, 3).offset = -1, "16 bytes at -1..=239 leave"),
    ("an offset that wraps", |p| address(p, 3).offset = i64::MAX, "is out of range"),
    ("a load of no buffer", |p| address(p, 3).buf = Buf(9), "no buffer b9"),
    (
        "a promise that reaches too far",
        |p| {
            if let Op::IndexLoad { hi, .. } = op(p, 2) {
                *hi = 241
            }
        },
        "leave buffer x",
    ),
    (
        "a promise of no number",
        |p| {
            if let Op::IndexLoad { hi, .. } = op(p, 2) {
                *hi = -1
            }
        },
        "no number is in 0..=-1",
    ),
    (
        "a promise of every number",
        |p| {
            if let Op::IndexLoad { lo, .. } = op(p, 2) {
                *lo = i64::MIN
            }
        },
        "is out of range",
    ),
    (
        "a scalar of three bytes",
        |p| {
            if let Op::IndexLoad { bytes, .. } = op(p, 2) {
                *bytes = 3
            }
        },
        "no load of a scalar of 3 bytes",
    ),
    ("a scalar of a high half", |p| address(p, 2).high = Some(4), "a scalar has no halves"),
    ("a register of a high half", |p| address(p, 3).high = Some(16), "a narrow register has no high half"),
    ("more tasks than memory", |p| kernel(p).tasks = 3, "leave buffer offsets of 8 bytes"),
    (
        "a factor that wraps",
        |p| *op(p, 1) = Op::IndexImm { op: IndexOp::Mul, a: Value(0), imm: 1 << 62 },
        "is out of range",
    ),
    (
        "an address nothing bounds",
        |p| *op(p, 1) = Op::Index { op: IndexOp::Mul, a: Value(0), b: Value(0) },
        "nothing bounds the address",
    ),
    (
        "an address that wraps to a small one",
        |p| {
            *op(p, 1) = Op::IndexImm { op: IndexOp::Mul, a: Value(0), imm: 1 << 48 };
            kernel(p).tasks = u32::MAX;
        },
        "nothing bounds the address",
    ),
    (
        "a loop that runs out of its buffer",
        |p| the_loop(p).trip = Trip::Const(5),
        "16 bytes at 0..=64 leave buffer s of 64 bytes",
    ),
    ("a loop that stands still", |p| the_loop(p).step = 0, "has step 0"),
    ("a loop that runs back", |p| the_loop(p).step = -16, "has step -16"),
    (
        "a loop that runs for years",
        |p| {
            let l = the_loop(p);
            (l.trip, l.step) = (Trip::Const(u32::MAX), 1);
            if let Inst::Store { addr, .. } = &mut l.body[0] {
                addr.index = None
            }
        },
        "operations for a run, the limit is 65536",
    ),
    ("a loop whose counter wraps", |p| the_loop(p).step = 1 << 62, "is out of range"),
    (
        "a carried address that runs away",
        |p| {
            let l = the_loop(p);
            let param = l.carried[0].param;
            if let Inst::Store { addr, .. } = &mut l.body[0] {
                addr.index = Some(param)
            }
            if let Inst::Let { op: Op::IndexImm { imm, .. }, .. } = &mut l.body[1] {
                *imm = 17
            }
        },
        "leave buffer s of 64 bytes",
    ),
    ("a store to what is read only", |p| kernel(p).buffers[2].kind = BufferKind::In, "store to a buffer of kind In"),
    (
        "a branch on what it does not bound",
        |p| {
            for inst in &mut kernel(p).body {
                if let Inst::If { then, .. } = inst
                    && let Inst::Store { addr, .. } = &mut then[0]
                {
                    addr.offset = 17
                }
            }
        },
        "leave buffer y of 32 bytes",
    ),
    // Kernels: values.
    (
        "a value before its definition",
        |p| {
            if let Op::IndexImm { a, .. } = op(p, 1) {
                *a = Value(3)
            }
        },
        "is not defined here",
    ),
    (
        "a value without type",
        |p| {
            if let Op::IndexImm { a, .. } = op(p, 1) {
                *a = Value(1000)
            }
        },
        "has no type",
    ),
    (
        "a value defined twice",
        |p| {
            let again = kernel(p).body[0].clone();
            kernel(p).body.push(again)
        },
        "is defined twice",
    ),
    (
        "a value defined in two scopes",
        |p| {
            let same = Inst::Let { dst: Value(kernel(p).types.len() as u32), op: Op::IndexConst(0) };
            kernel(p).types.push(Ty::Index);
            kernel(p).body.push(Inst::If {
                value: Value(0),
                bound: 1,
                then: vec![same.clone()],
                otherwise: vec![same],
            });
        },
        "is defined twice",
    ),
    ("a value of another type", |p| kernel(p).types[1] = Ty::Vec(Lane::I8), "is declared with another type"),
    ("a vector as a task", |p| kernel(p).types[0] = Ty::Vec(Lane::I8), "is declared with another type"),
    (
        "a loop that carries another type",
        |p| {
            let l = the_loop(p);
            l.carried[0] = Carried { next: Value(3), ..l.carried[0] }
        },
        "as another type",
    ),
    (
        "a division by what may be zero",
        |p| insert(p, Op::Index { op: IndexOp::Div, a: Value(2), b: Value(0) }, Ty::Index),
        "may be zero",
    ),
    (
        "a division by zero",
        |p| insert(p, Op::IndexImm { op: IndexOp::Rem, a: Value(2), imm: 0 }, Ty::Index),
        "divisor 0 is not positive",
    ),
    (
        "a shuffle of what is not there",
        |p| insert(p, Op::Shuffle { a: Value(3), b: Value(3), bytes: [32; 16] }, Ty::Vec(Lane::F32)),
        "shuffle of",
    ),
    (
        "a shift by too much",
        |p| insert(p, Op::Shift { op: qcc_kernel::ShiftOp::Left, a: Value(3), bits: 99 }, Ty::Vec(Lane::F32)),
        "no shift of",
    ),
    (
        "a table of nothing",
        |p| {
            let table = Addr { buf: Buf(0), index: None, offset: 0, high: None };
            insert(p, Op::SplatIndex { a: Value(0) }, Ty::Vec(Lane::I32));
            let a = Value(kernel(p).types.len() as u32 - 1);
            insert(p, Op::Lookup32 { lane: Lane::I32, table, limit: 0, a }, Ty::Vec(Lane::I32));
        },
        "no table of 0 words",
    ),
    (
        "a table behind its buffer",
        |p| {
            let table = Addr { buf: Buf(0), index: None, offset: 0, high: None };
            insert(p, Op::SplatIndex { a: Value(0) }, Ty::Vec(Lane::I32));
            let a = Value(kernel(p).types.len() as u32 - 1);
            insert(p, Op::Lookup32 { lane: Lane::I32, table, limit: 65, a }, Ty::Vec(Lane::I32));
        },
        "260 bytes at 0..=0 leave buffer x",
    ),
    ("a kernel of too many values", |p| kernel(p).types.resize(1 << 20, Ty::Index), "1048576 values, more than"),
    (
        "kernels of too many instructions",
        |p| {
            for _ in 0..2000 {
                insert(p, Op::IndexConst(0), Ty::Index)
            }
        },
        "instructions of kernels, the limit is 1024",
    ),
    // Products.
    ("a product out of its buffer", |p| product(p).n = 5, "matrix c: needs 148 bytes"),
    (
        "a product of all numbers",
        |p| (product(p).batch, product(p).im2col) = (usize::MAX, None),
        "elements of matrix c share their places",
    ),
    (
        "a product that never ends",
        |p| {
            let gemm = product(p);
            (gemm.k, gemm.im2col) = (1 << 40, None);
            (gemm.a.row, gemm.a.column, gemm.b.row, gemm.b.column) = (0, 0, 0, 0);
        },
        "operations for a run",
    ),
    (
        "a product of nothing that gathers everything",
        |p| {
            (window(p).kernel, window(p).channels) = ([1 << 20, 1 << 9], [0, 4]);
            (product(p).n, product(p).k) = (0, (1 << 29) * 4);
        },
        "the limit is 65536",
    ),
    ("a result with strides of zero", |p| product(p).c.row = 0, "elements of matrix c share their places"),
    ("a result over its operand", |p| product(p).c.buffer = X, "overlap"),
    ("an operand that starts late", |p| product(p).b.offset = 1, "matrix b: needs 260 bytes"),
    ("windows of another product", |p| window(p).output = [3, 4], "windows give"),
    ("windows of channels that are not there", |p| window(p).channels = [1, 4], "channels [1, 4] of 4"),
    ("windows with steps that wrap", |p| window(p).strides = [usize::MAX, 1], "geometry is out of range"),
    ("an image larger than its buffer", |p| window(p).input = [1, 5, 4, 4], "needs 320 bytes"),
    // Other steps.
    (
        "a border out of its buffer",
        |p| {
            if let Action::Halo(h) = &mut p.steps[HALO].action {
                h.ranges[0] = (28, 33)
            }
        },
        "border 28..33 leaves",
    ),
    (
        "a border that runs back",
        |p| {
            if let Action::Halo(h) = &mut p.steps[HALO].action {
                h.ranges[0] = (28, 27)
            }
        },
        "border 28..27 leaves",
    ),
    (
        "a border in the constants",
        |p| {
            if let Action::Halo(h) = &mut p.steps[HALO].action {
                h.buffer = ONE
            }
        },
        "which is constant",
    ),
    (
        "a copy of too much",
        |p| {
            if let Action::Copy { bytes, .. } = &mut p.steps[COPY].action {
                *bytes = 33
            }
        },
        "needs 33 bytes",
    ),
    (
        "an op of another type",
        |p| {
            if let Action::Reference { outputs, .. } = &mut p.steps[ADD].action {
                outputs[0].1.shape[0] = 4
            }
        },
        "Add gives f32[8], f32[4] is planned",
    ),
    (
        "an op of other inputs",
        |p| {
            if let Action::Reference { inputs, .. } = &mut p.steps[ADD].action {
                inputs.pop();
            }
        },
        "Add needs its input",
    ),
    (
        "an op with attributes it has not",
        |p| {
            if let Action::Reference { attrs, .. } = &mut p.steps[ADD].action {
                attrs.set("axis", qcc_ops::AttrValue::Int(3));
            }
        },
        "has no attribute `axis`",
    ),
    (
        "an op in the constants",
        |p| {
            if let Action::Reference { outputs, .. } = &mut p.steps[ADD].action {
                outputs[0].0 = WEIGHTS
            }
        },
        "which is constant",
    ),
    // Branches.
    (
        "a branch of other inputs",
        |p| {
            if let Action::If { captures, .. } = &mut p.steps[IF].action {
                captures.clear()
            }
        },
        "0 captures, 1 expected",
    ),
    (
        "a branch whose input is too large",
        |p| {
            if let Action::If { captures, .. } = &mut p.steps[IF].action {
                captures[0] = CONDITION
            }
        },
        "needs 24 bytes",
    ),
    (
        "a branch that writes what it reads",
        |p| {
            if let Action::If { outputs, .. } = &mut p.steps[IF].action {
                outputs[0] = ADDED
            }
        },
        "overlap",
    ),
    (
        "a wrong branch",
        |p| {
            if let Action::If { else_branch, .. } = &mut p.steps[IF].action {
                else_branch.arena_bytes = 0
            }
        },
        "else branch: buffer 0",
    ),
    (
        "a branch with an arena of everything",
        |p| {
            if let Action::If { then_branch, .. } = &mut p.steps[IF].action {
                then_branch.arena_bytes = 1 << 50
            }
        },
        "it needs 1125899906842624 bytes of memory",
    ),
    (
        "branches in branches",
        |p| {
            for _ in 0..20 {
                let inner = Box::new(p.clone());
                if let Action::If { else_branch, .. } = &mut p.steps[IF].action {
                    *else_branch = inner
                }
            }
        },
        "branches nest deeper than 16",
    ),
    (
        "branches in branches without end",
        |p| {
            for _ in 0..200 {
                let mut inner = Builder::new().0;
                std::mem::swap(p, &mut inner);
                let other = Box::new(Builder::new().0);
                p.steps.push(qcc_kernel::program::Step {
                    name: "if".into(),
                    action: Action::If {
                        condition: CONDITION,
                        captures: vec![],
                        outputs: vec![],
                        then_branch: Box::new(inner),
                        else_branch: other,
                    },
                    predicted_ns: 0.0,
                    macs: 0,
                    remark: None,
                });
            }
        },
        "its header cannot be read",
    ),
    ("loops in loops", |p| nest(p, 40), "nest deeper than 32"),
    ("loops in loops without end", |p| nest(p, 1_000), "its header cannot be read"),
    // What follows the steps.
    ("a tail of other inputs", |p| p.tail = Some(tail(1, 0)), "they read 1 values, the steps give 3"),
    ("a tail of values that are not there", |p| p.tail = Some(tail(3, 9)), "the result 9 is not among the 3 values"),
];

fn nest(p: &mut Program, depth: u32) {
    let mut body = Vec::new();
    for _ in 0..depth {
        kernel(p).types.push(Ty::Index);
        let index = Value(kernel(p).types.len() as u32 - 1);
        body = vec![Inst::Loop(Loop { trip: Trip::Const(1), step: 1, index, carried: vec![], body })];
    }
    kernel(p).body.append(&mut body);
}

fn tail(inputs: u32, result: u32) -> Tail {
    let block = qcc_ops::Block { inputs, outputs: vec![result], ..Default::default() };
    Tail { block, outputs: vec!["y".into()], reason: "it is hostile".into() }
}

#[test]
fn an_edited_program_is_refused_with_the_reason() {
    let mut wrong = Vec::new();
    for (name, edit, expected) in CASES {
        let mut program = everything([0, 0]);
        edit(&mut program);
        match decode(&program) {
            Ok(_) => wrong.push(format!("{name}: accepted")),
            Err(e) if !e.contains(expected) => wrong.push(format!("{name}: {e}")),
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn fields_of_the_file_are_checked_before_they_are_used() {
    let whole = artifact::encode(&everything([0, 0]));
    let refused = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        edit(&mut bytes);
        artifact::seal(&mut bytes);
        artifact::decode(bytes.into(), &LIMITS).expect_err("it was edited").to_string()
    };
    let set =
        |at: usize, value: u64| move |bytes: &mut Vec<u8>| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    let early = "it is damaged (it ends too early); compile the model again";
    for huge in [u64::MAX, u64::MAX - 47, 1 << 63, 1 << 40, whole.len() as u64] {
        for field in [8, 16, 24] {
            assert_eq!(refused(&set(field, huge)), early, "field at {field}: {huge}");
        }
    }
    assert_eq!(refused(&|bytes| bytes.extend([0; 64])), early);
    assert_eq!(
        refused(&|bytes| bytes[4] = 2),
        "it has format version 2, this program reads 7; compile the model again"
    );
    assert_eq!(refused(&|bytes| bytes[0] = b'Q'), "it is not a compiled model (no `qcc` mark at its start)");
    let header = u64::from_le_bytes(whole[8..16].try_into().expect("eight bytes"));
    let unread = "it is damaged (its header cannot be read); compile the model again";
    assert_eq!(refused(&set(8, header - 1)), unread);
    assert_eq!(refused(&set(8, header + 1)), unread, "a header has no rest");
    let constants = u64::from_le_bytes(whole[24..32].try_into().expect("eight bytes"));
    let moved = refused(&|bytes| {
        bytes.splice(4096..4096, [0; 64]);
        set(16, 4096 + 64)(bytes);
        set(24, constants)(bytes);
    });
    let packed = "it is damaged (its constants cannot be unpacked); compile the model again";
    for other in [0, constants - 1, constants + 1, LIMITS.memory] {
        assert_eq!(refused(&set(40, other)), packed, "{other} bytes of constants");
    }
    let more = refused(&set(40, LIMITS.memory + 1));
    assert!(more.contains("bytes of constants, the limit is"), "{more}");
    assert_eq!(moved, "it is damaged (its constants do not follow its header); compile the model again");
}

/// Every byte of the file is under the checksum, padding included.
#[test]
fn no_flipped_byte_is_overlooked() {
    let whole = artifact::encode(&everything([0, 0]));
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(artifact::decode(bytes.into(), &LIMITS).is_err(), "byte {at}");
    }
}

/// The interpreter checks every access, so what the verifier accepts must pass it, whatever the numbers in the kernel.
#[test]
fn what_the_verifier_accepts_stays_in_its_buffers() {
    let mut state = 7u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let plain = postcard::to_stdvec(&pick(Width::V256)).expect("a kernel is plain data");
    let (mut read, mut accepted) = (0, 0);
    for _ in 0..40_000 {
        let mut bytes = plain.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            bytes[at] = match random(3) {
                0 => random(256) as u8,
                1 => bytes[at].wrapping_add(1),
                _ => bytes[at].wrapping_sub(1),
            };
        }
        let Ok(kernel) = postcard::from_bytes::<Kernel>(&bytes) else { continue };
        read += 1;
        let Ok(known) = qcc_kernel::verify(&kernel) else { continue };
        if known.operations > 1 << 12 || kernel.buffers.iter().any(|b| b.bytes > 1 << 12) {
            continue;
        }
        accepted += 1;
        let mut memory: Vec<Vec<u8>> = kernel.buffers.iter().map(|b| vec![0; b.bytes]).collect();
        let mut slices: Vec<&mut [u8]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
        match interpret(&kernel, &mut slices, 0, u64::from(kernel.tasks)) {
            // What stands in memory is no matter of the verifier.
            Ok(()) | Err(InterpretError::BrokenPromise { .. }) => {}
            Err(e) => panic!("{e}\n{kernel}"),
        }
    }
    assert!(read > 4000 && accepted > 1000, "only {read} could be read, {accepted} were accepted");
}
