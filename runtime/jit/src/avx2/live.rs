//! Where values live: the stretches of the line during which a value needs its register, and which values may share one
//! because the first ends where the second begins.
//!
//! Item `i` reads at position `2 i` and writes at `2 i + 1`. A value that a loop reads from outside lives to its end. A
//! value that a loop carries lives from its entry to its last use in an iteration, and from the end of the loop as its
//! result; what it becomes in the next iteration fills the gap, if it may have the same register.

use qcc_kernel::{BinOp, Op, Value};

use super::linear::{Item, Linear};
use super::shape::shape;

/// Positions `from..to`.
pub type Stretch = (u32, u32);

/// Values that share a register.
#[derive(Clone, Debug)]
pub struct Class {
    /// When it is needed, in order.
    pub stretches: Vec<Stretch>,
    /// How much a spill costs.
    pub weight: f32,
    /// Whether it is a vector.
    pub vector: bool,
}

/// The lives of a line.
#[derive(Debug)]
pub struct Lives {
    pub classes: Vec<Class>,
    /// For each value its class; for what never lives, none.
    class_of: Vec<Option<u32>>,
    /// For each item the classes of its temporaries.
    pub temporaries: Vec<Vec<u32>>,
}

/// Weight of a class that may not be spilled.
const NEVER: f32 = f32::INFINITY;

/// Weight of an iteration against that of the loop around it.
const PER_LEVEL: f32 = 8.0;

/// Share of the cost of a spill that a value has which is read from the pool of constants.
const CONSTANT: f32 = 0.2;

/// Finds the lives of all values of a line.
pub fn lives(line: &Linear<'_>) -> Lives {
    let n = line.names();
    let mut from = vec![u32::MAX; n];
    let mut to = vec![0u32; n];
    let mut cost = vec![0f32; n];
    // The loop in which a value is defined.
    let mut home = vec![0usize; n];
    let mut temporaries = vec![Vec::new(); line.items.len()];
    let mut tiny: Vec<Stretch> = Vec::new();
    let mut current = 0usize;
    let mut depth = vec![1i32; line.loops.len()];
    for id in 1..line.loops.len() {
        depth[id] = depth[line.loops[id].parent] + 1;
    }
    // Addresses of buffers are read before the loop over the tasks, for all of it.
    let whole = 2 * line.loops[0].end as u32 + 2;
    (from[line.bases().0 as usize], to[line.bases().0 as usize]) = (0, whole);
    for (i, item) in line.items.iter().enumerate() {
        let (read, write) = (2 * i as u32, 2 * i as u32 + 1);
        if let Item::Leave(id) = item {
            current = *id;
        }
        let frequency = PER_LEVEL.powi(depth[current]);
        for v in line.reads(item) {
            let v = v.0 as usize;
            let mut end = read + 1;
            let mut around = current;
            // What is carried into the next iteration is read inside of the loop, the initial values outside of it.
            while around != home[v] {
                end = end.max(2 * line.loops[around].end as u32 + 2);
                around = line.loops[around].parent;
            }
            to[v] = to[v].max(end);
            cost[v] += frequency;
        }
        match item {
            Item::Let { dst, op } => {
                if line.folded(*dst).is_some() {
                    continue;
                }
                let shape = shape(line, op);
                let v = dst.0 as usize;
                from[v] = if shape.early { read } else { write };
                to[v] = to[v].max(write + 1);
                home[v] = current;
                cost[v] += frequency;
                for _ in 0..shape.temporaries {
                    temporaries[i].push(tiny.len() as u32);
                    tiny.push((read, write + 1));
                }
            }
            Item::Store { .. } => {
                if let Item::Store { addr, .. } = item
                    && addr.high.is_some()
                {
                    temporaries[i].push(tiny.len() as u32);
                    tiny.push((read, write + 1));
                }
            }
            Item::Enter(id) => {
                let end = 2 * line.loops[*id].end as u32;
                let inner = PER_LEVEL.powi(depth[*id]);
                let counter = line.counter(*id).0 as usize;
                (from[counter], to[counter], home[counter]) = (read, end + 2, *id);
                cost[counter] += 2.0 * inner;
                let bound = line.bound(*id).0 as usize;
                if *id == 0 || has_bound(line, *id) {
                    (from[bound], to[bound]) = (read, end + 2);
                    cost[bound] += inner;
                    home[bound] = line.loops[*id].parent;
                }
                for c in line.loops[*id].source.iter().flat_map(|l| &l.carried) {
                    let (param, result) = (c.param.0 as usize, c.result.0 as usize);
                    (from[param], to[param], home[param]) = (write, write + 1, *id);
                    (from[result], to[result], home[result]) = (end + 1, end + 2, line.loops[*id].parent);
                    cost[param] += inner;
                }
                current = *id;
            }
            Item::Leave(id) => current = line.loops[*id].parent,
            _ => {}
        }
    }
    for base in (0..line.kernel.buffers.len() as u32).map(|i| line.base(i).0 as usize) {
        if cost[base] > 0.0 {
            (from[base], to[base]) = (0, whole);
        }
    }
    let mut lives = Lives { classes: Vec::new(), class_of: vec![None; n], temporaries };
    for v in 0..n {
        if from[v] == u32::MAX {
            continue;
        }
        let name = Value(v as u32);
        let constant = line.op(name).is_some_and(super::pool::is_constant);
        let weight = cost[v] * if constant { CONSTANT } else { 1.0 };
        lives.class_of[v] = Some(lives.classes.len() as u32);
        let vector = line.is_vector(name);
        lives.classes.push(Class { stretches: vec![(from[v], to[v].max(from[v] + 1))], weight, vector });
    }
    let first = lives.classes.len() as u32;
    lives.classes.extend(tiny.iter().map(|&s| Class { stretches: vec![s], weight: NEVER, vector: true }));
    lives.temporaries.iter_mut().flatten().for_each(|t| *t += first);
    lives.share(line);
    for class in &mut lives.classes {
        let length: u32 = class.stretches.iter().map(|(a, b)| b - a).sum();
        class.weight /= length.max(1) as f32;
    }
    lives
}

/// Whether the trip count of a loop is a value.
pub fn has_bound(line: &Linear<'_>, id: usize) -> bool {
    line.loops[id].source.is_none_or(|l| matches!(l.trip, qcc_kernel::Trip::Value(_)))
}

/// Whether a value is made of products of pairs.
fn is_product(line: &Linear<'_>, v: Value) -> bool {
    matches!(line.op(line.root(v)), Some(Op::Binary { op: BinOp::Madd16, .. }))
}

impl Lives {
    /// The class of a value.
    pub fn class(&self, v: Value) -> Option<u32> {
        self.class_of[v.0 as usize]
    }

    /// Gives what a loop carries, what it becomes and what comes out one class where possible; inner loops first. Then sums
    /// and what products make of them.
    fn share(&mut self, line: &Linear<'_>) {
        for span in line.loops.iter().rev() {
            for c in span.source.iter().flat_map(|l| &l.carried) {
                self.unite(c.param, c.result);
                let next = line.root(c.next);
                if !line.op(next).is_some_and(super::pool::is_constant) {
                    self.unite(c.param, next);
                }
                // A constant is where it is read from.
                let init = line.root(c.init);
                if !line.op(init).is_some_and(super::pool::is_constant) {
                    self.unite(c.param, init);
                }
            }
        }
        // A product is added in place.
        for item in &line.items {
            let Item::Let { dst, op } = item else { continue };
            let sum = match op {
                Op::MulAdd { acc, .. } => *acc,
                Op::Binary { op: BinOp::Add, a, b } if is_product(line, *b) => *a,
                _ => continue,
            };
            if !line.op(line.root(sum)).is_some_and(super::pool::is_constant) {
                self.unite(line.root(sum), *dst);
            }
        }
    }

    fn unite(&mut self, a: Value, b: Value) {
        let (Some(a), Some(b)) = (self.class(a), self.class(b)) else { return };
        if a == b {
            return;
        }
        let (x, y) = (&self.classes[a as usize], &self.classes[b as usize]);
        if x.vector != y.vector || x.stretches.iter().any(|s| y.stretches.iter().any(|t| s.0 < t.1 && t.0 < s.1)) {
            return;
        }
        let taken = std::mem::take(&mut self.classes[b as usize].stretches);
        let weight = self.classes[b as usize].weight;
        let into = &mut self.classes[a as usize];
        into.stretches.extend(taken);
        into.stretches.sort_unstable();
        into.weight += weight;
        for class in self.class_of.iter_mut().flatten() {
            if *class == b {
                *class = a;
            }
        }
    }
}
