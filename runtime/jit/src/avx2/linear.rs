//! A kernel as a line of items: loops and branches become marks, copies become names, and what needs no instruction of
//! its own is found: dead values, and loads that their only use takes as a memory operand.

use qcc_kernel::{Addr, BinOp, Block, Inst, Kernel, Loop, Op, Trip, Ty, UnOp, VL, Value, Width};

/// A step of the line.
#[derive(Clone, Copy, Debug)]
pub enum Item<'k> {
    /// An operation.
    Let { dst: Value, op: &'k Op },
    /// A store.
    Store { addr: &'k Addr, bytes: u8, value: Value },
    /// A loop begins.
    Enter(usize),
    /// A loop ends.
    Leave(usize),
    /// A branch begins: the items up to `Else` run if the value is below the bound.
    If { value: Value, bound: i64, branch: usize },
    /// The other side of a branch begins.
    Else(usize),
    /// A branch ends.
    EndIf(usize),
}

/// A loop of the line. The first one is the loop over the tasks.
#[derive(Clone, Copy, Debug)]
pub struct Span<'k> {
    /// The loop, unless it is that over the tasks.
    pub source: Option<&'k Loop>,
    /// Item at which it is entered.
    pub start: usize,
    /// Item at which it is left.
    pub end: usize,
    /// Loop around it; the first loop is its own.
    pub parent: usize,
}

/// The line of a kernel. Names of values: those of the kernel, then what [`Linear::base`] and its neighbours name.
#[derive(Debug)]
pub struct Linear<'k> {
    pub kernel: &'k Kernel,
    pub items: Vec<Item<'k>>,
    pub loops: Vec<Span<'k>>,
    pub branches: usize,
    /// For each value what it is another name of.
    alias: Vec<Value>,
    /// For each value the operation that gives it.
    ops: Vec<Option<&'k Op>>,
    /// Uses of each value.
    uses: Vec<u32>,
    /// Whether a value is a load that its only use folds.
    folded: Vec<bool>,
}

static ZERO: Op = Op::IndexConst(0);

/// The line of a verified kernel.
pub fn linear(kernel: &Kernel) -> Linear<'_> {
    let n = kernel.types.len();
    let mut line = Linear {
        kernel,
        items: vec![Item::Enter(0)],
        loops: vec![Span { source: None, start: 0, end: 0, parent: 0 }],
        branches: 0,
        alias: (0..n as u32).map(Value).collect(),
        ops: vec![None; n],
        uses: vec![0; n],
        folded: vec![false; n],
    };
    line.block(&kernel.body, 0);
    line.items.push(Item::Leave(0));
    line.drop_dead();
    line.place_loops();
    line.fold();
    line
}

impl<'k> Linear<'k> {
    fn block(&mut self, block: &'k Block, around: usize) {
        for inst in block {
            match inst {
                Inst::Let { dst, op: Op::Unary { op: UnOp::Bitcast(_), a } } => {
                    self.alias[dst.0 as usize] = self.root(*a);
                    // The lanes may differ, so the defining operation is found under either name.
                    self.ops[dst.0 as usize] = self.ops[a.0 as usize];
                }
                Inst::Let { dst, op } => self.push(*dst, op),
                Inst::Store { addr, bytes, value } => {
                    self.items.push(Item::Store { addr, bytes: *bytes, value: *value });
                }
                Inst::Loop(l) => self.loop_(l, around),
                Inst::If { value, bound, then, otherwise } => {
                    let branch = self.branches;
                    self.branches += 1;
                    self.items.push(Item::If { value: *value, bound: *bound, branch });
                    self.block(then, around);
                    self.items.push(Item::Else(branch));
                    self.block(otherwise, around);
                    self.items.push(Item::EndIf(branch));
                }
            }
        }
    }

    fn push(&mut self, dst: Value, op: &'k Op) {
        self.ops[dst.0 as usize] = Some(op);
        self.items.push(Item::Let { dst, op });
    }

    fn loop_(&mut self, l: &'k Loop, around: usize) {
        match l.trip {
            Trip::Const(0) => {
                for c in &l.carried {
                    self.alias[c.result.0 as usize] = self.root(c.init);
                }
            }
            Trip::Const(1) => {
                self.push(l.index, &ZERO);
                for c in &l.carried {
                    self.alias[c.param.0 as usize] = self.root(c.init);
                }
                self.block(&l.body, around);
                for c in &l.carried {
                    self.alias[c.result.0 as usize] = self.root(c.next);
                }
            }
            _ => {
                let id = self.loops.len();
                self.loops.push(Span { source: Some(l), start: 0, end: 0, parent: around });
                self.items.push(Item::Enter(id));
                self.block(&l.body, id);
                self.items.push(Item::Leave(id));
            }
        }
    }

    fn drop_dead(&mut self) {
        let items = std::mem::take(&mut self.items);
        for item in &items {
            for v in self.values(item) {
                self.uses[v.0 as usize] += 1;
            }
        }
        let mut kept: Vec<Item<'k>> = Vec::with_capacity(items.len());
        for item in items.into_iter().rev() {
            match item {
                Item::Let { dst, .. } if self.uses[dst.0 as usize] == 0 => {
                    for v in self.values(&item) {
                        self.uses[v.0 as usize] -= 1;
                    }
                }
                _ => kept.push(item),
            }
        }
        kept.reverse();
        self.items = kept;
    }

    fn place_loops(&mut self) {
        for (at, item) in self.items.iter().enumerate() {
            match item {
                Item::Enter(id) => self.loops[*id].start = at,
                Item::Leave(id) => self.loops[*id].end = at,
                _ => {}
            }
        }
    }

    /// Finds the loads whose only use may read memory itself, with nothing in between that could change it.
    fn fold(&mut self) {
        let mut barriers = 0;
        let mut loads: Vec<Option<u32>> = vec![None; self.alias.len()];
        let items = std::mem::take(&mut self.items);
        for item in &items {
            match item {
                Item::Let { dst, op } => {
                    if let Some(taken) = self.foldable(op) {
                        let taken = taken
                            .into_iter()
                            .find(|v| self.uses[v.0 as usize] == 1 && loads[v.0 as usize] == Some(barriers));
                        if let Some(v) = taken {
                            self.folded[v.0 as usize] = true;
                        }
                    }
                    if self.is_whole_load(op) {
                        loads[dst.0 as usize] = Some(barriers);
                    }
                }
                _ => barriers += 1,
            }
        }
        self.items = items;
    }

    /// Whether the operation loads a whole register from consecutive bytes.
    fn is_whole_load(&self, op: &Op) -> bool {
        match op {
            Op::Load { bytes, addr, .. } if *bytes as usize == VL => match self.kernel.width {
                Width::V128 => addr.high.is_none(),
                Width::V256 => addr.high == Some(VL as i64),
            },
            _ => false,
        }
    }

    /// The operands that may be in memory, best one first.
    fn foldable(&self, op: &Op) -> Option<Vec<Value>> {
        match op {
            Op::Binary { op, a, b } => {
                let (a, b) = (self.root(*a), self.root(*b));
                if a == b
                    || matches!(op, BinOp::Ge) && self.kernel.types[a.0 as usize] != Ty::Vec(qcc_kernel::Lane::F32)
                {
                    return None;
                }
                Some(if commutes(*op) { vec![b, a] } else { vec![b] })
            }
            Op::Unary { op: UnOp::ToF32 | UnOp::RoundToI32 | UnOp::TruncToI32, a } => Some(vec![self.root(*a)]),
            _ => None,
        }
    }

    /// The value a name stands for.
    pub fn root(&self, v: Value) -> Value {
        let mut v = v;
        while let Some(&of) = self.alias.get(v.0 as usize)
            && of != v
        {
            v = of;
        }
        v
    }

    /// The operation that gives a value.
    pub fn op(&self, v: Value) -> Option<&'k Op> {
        self.ops.get(self.root(v).0 as usize).copied().flatten()
    }

    /// The address of a value that is read where it is used.
    pub fn folded(&self, v: Value) -> Option<Addr> {
        match self.op(v) {
            Some(Op::Load { addr, .. }) if self.folded[self.root(v).0 as usize] => Some(*addr),
            _ => None,
        }
    }

    /// Whether a value is a vector.
    pub fn is_vector(&self, v: Value) -> bool {
        matches!(self.kernel.types.get(v.0 as usize), Some(Ty::Vec(_)))
    }

    /// The address of a buffer, as a value.
    pub fn base(&self, buf: u32) -> Value {
        Value((self.kernel.types.len() + buf as usize) as u32)
    }

    /// The array of addresses, as a value.
    pub fn bases(&self) -> Value {
        self.base(self.kernel.buffers.len() as u32)
    }

    /// The bound of the counter of a loop, as a value; that of the tasks, and of loops whose trip count is a value.
    pub fn bound(&self, id: usize) -> Value {
        Value(self.bases().0 + 1 + id as u32)
    }

    /// The counter of a loop.
    pub fn counter(&self, id: usize) -> Value {
        self.loops[id].source.map_or(self.kernel.task, |l| l.index)
    }

    /// Names of values.
    pub fn names(&self) -> usize {
        self.bound(self.loops.len()).0 as usize
    }

    /// The values an item reads under their own names, without what belongs to addresses of folded loads.
    fn values(&self, item: &Item<'k>) -> Vec<Value> {
        let of = match item {
            Item::Let { op, .. } => op.operands().to_vec(),
            Item::Store { addr, value, .. } => addr.index.into_iter().chain([*value]).collect(),
            Item::Enter(id) => match self.loops[*id].source {
                Some(l) => {
                    let trip = match l.trip {
                        Trip::Value(v) => Some(v),
                        Trip::Const(_) => None,
                    };
                    l.carried.iter().map(|c| c.init).chain(trip).collect()
                }
                None => Vec::new(),
            },
            Item::Leave(id) => match self.loops[*id].source {
                Some(l) => l.carried.iter().map(|c| c.next).collect(),
                None => Vec::new(),
            },
            Item::If { value, .. } => vec![*value],
            Item::Else(_) | Item::EndIf(_) => Vec::new(),
        };
        of.into_iter().map(|v| self.root(v)).collect()
    }

    /// The values an item reads, addresses of buffers included.
    pub fn reads(&self, item: &Item<'k>) -> Vec<Value> {
        let mut all = Vec::new();
        if let Item::Let { dst, .. } = item
            && self.folded(*dst).is_some()
        {
            return all;
        }
        for v in self.values(item) {
            match self.folded(v) {
                Some(addr) => self.address(addr, &mut all),
                None => all.push(v),
            }
        }
        match item {
            Item::Let { op, .. } => {
                if let Some((addr, _)) = op.reads() {
                    all.push(self.base(addr.buf.0));
                }
            }
            Item::Store { addr, .. } => all.push(self.base(addr.buf.0)),
            _ => {}
        }
        all
    }

    fn address(&self, addr: Addr, into: &mut Vec<Value>) {
        into.push(self.base(addr.buf.0));
        into.extend(addr.index.map(|v| self.root(v)));
    }
}

/// Whether the operands may change places.
pub fn commutes(op: BinOp) -> bool {
    // Float minima and maxima do not: one operand is the result where the other is a NaN. Neither is folded swapped.
    matches!(
        op,
        BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor | BinOp::Madd16 | BinOp::MinU | BinOp::MaxU
    )
}
