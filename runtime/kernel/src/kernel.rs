//! The program: a kernel, its instructions and its structured control flow.

use serde::{Deserialize, Serialize};

use crate::op::Op;
use crate::types::{Addr, BufferDecl, Ty, Value, Width};

/// One compiled unit: a loop over `tasks` independent tasks, each running `body`.
///
/// Tasks of one call may run in any order and on any thread, so no task may write what another one reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kernel {
    /// Name for dumps and profiles.
    pub name: String,
    /// Width of its vector registers.
    pub width: Width,
    /// The argument array of the compiled function, in order.
    pub buffers: Vec<BufferDecl>,
    /// Trip count of the outer, parallel loop.
    pub tasks: u32,
    /// Type of every value, indexed by its number.
    pub types: Vec<Ty>,
    /// The scalar that holds the number of the current task.
    pub task: Value,
    /// What one task does.
    pub body: Block,
}

/// Instructions in order of execution; the backends keep this order.
pub type Block = Vec<Inst>;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Inst {
    /// `dst = op`
    Let {
        /// The value defined.
        dst: Value,
        /// How it is computed.
        op: Op,
    },
    /// The low `bytes` (1, 2, 4, 8 or 16) of each half of a vector to memory.
    Store {
        /// Where to.
        addr: Addr,
        /// How many.
        bytes: u8,
        /// The vector.
        value: Value,
    },
    /// A counted loop.
    Loop(Loop),
    /// `if value < bound { then } else { otherwise }`, signed.
    If {
        /// The scalar tested.
        value: Value,
        /// What it is compared with.
        bound: i64,
        /// Runs if below.
        #[serde(deserialize_with = "qcc_ops::nesting::within")]
        then: Block,
        /// Runs if not.
        #[serde(deserialize_with = "qcc_ops::nesting::within")]
        otherwise: Block,
    },
}

/// Number of iterations of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trip {
    /// Known when the kernel is generated.
    Const(u32),
    /// A scalar; none if it is not positive.
    Value(Value),
}

/// A counted loop. Iteration `i` sees `index = i * step` and the loop-carried values; values defined inside are invisible outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Loop {
    /// Number of iterations.
    pub trip: Trip,
    /// Increment of `index` per iteration, positive.
    pub step: i64,
    /// The scalar that counts.
    pub index: Value,
    /// Loop-carried values.
    pub carried: Vec<Carried>,
    /// One iteration.
    #[serde(deserialize_with = "qcc_ops::nesting::within")]
    pub body: Block,
}

/// One loop-carried value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Carried {
    /// Before the first iteration.
    pub init: Value,
    /// Inside an iteration.
    pub param: Value,
    /// At the end of an iteration, for the next.
    pub next: Value,
    /// After the loop.
    pub result: Value,
}
