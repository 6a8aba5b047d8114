//! Small programs.

use bytes::Bytes;
use qcc_kernel::program::{Action, Buffer, BufferId, Place, Port, Program, Step};
use qcc_tensor::{DType, TensorType};
use std::sync::Arc;

/// Predicted time at which every step is split among threads.
const LONG: f64 = 1e9;

/// A program under construction: buffers one behind the other.
pub struct Builder(pub Program);

impl Builder {
    pub fn new() -> Builder {
        Builder(Program {
            name: "test".into(),
            samples: 1,
            metadata: vec![("labels".into(), "a b".into())],
            inputs: Vec::new(),
            outputs: Vec::new(),
            kernels: Vec::new(),
            constants: Bytes::new(),
            buffers: Vec::new(),
            arena_bytes: 0,
            steps: Vec::new(),
            tail: None,
        })
    }

    pub fn buffer(&mut self, name: &str, bytes: usize) -> BufferId {
        let place = Place::Arena(self.0.arena_bytes);
        self.0.arena_bytes += bytes.next_multiple_of(64);
        self.0.buffers.push(Buffer { name: name.into(), bytes, place });
        BufferId(self.0.buffers.len() as u32 - 1)
    }

    pub fn constant(&mut self, name: &str, bytes: &[u8]) -> BufferId {
        let mut all = self.0.constants.to_vec();
        let at = all.len();
        all.extend(bytes);
        all.resize(all.len().next_multiple_of(64), 0);
        self.0.constants = all.into();
        self.0.buffers.push(Buffer { name: name.into(), bytes: bytes.len(), place: Place::Constant(at) });
        BufferId(self.0.buffers.len() as u32 - 1)
    }

    pub fn port(name: &str, ty: TensorType, buffer: BufferId) -> Port {
        Port { name: name.into(), ty, buffer }
    }

    pub fn step(&mut self, action: Action) {
        self.0.steps.push(Step { name: "step".into(), action, predicted_ns: LONG, macs: 0, remark: None });
    }

    pub fn finish(self) -> Arc<Program> {
        Arc::new(self.0)
    }
}

/// `y = x + 1`, on reference evaluation.
pub fn reference_program() -> Arc<Program> {
    let mut p = Builder::new();
    let ty = TensorType::new(DType::F32, [2, 3]);
    let (x, y) = (p.buffer("x", ty.bytes()), p.buffer("y", ty.bytes()));
    let one = p.constant("one", &1.0f32.to_le_bytes());
    let scalar = TensorType::new(DType::F32, []);
    p.0.inputs.push(Builder::port("x", ty.clone(), x));
    p.0.outputs.push(Builder::port("y", ty.clone(), y));
    p.step(Action::Reference {
        op: qcc_ops::find("Add").expect("Add is an op"),
        attrs: qcc_ops::Attrs::default(),
        inputs: vec![Some((x, ty.clone())), Some((one, scalar))],
        outputs: vec![(y, ty)],
    });
    p.finish()
}
