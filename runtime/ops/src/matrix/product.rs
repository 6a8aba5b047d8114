//! Shapes and loops of a batched matrix product with numpy semantics.

use crate::OpError;
use qcc_tensor::{Shape, broadcast_shapes};

/// Geometry of `a x b`.
pub(crate) struct Product {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    /// For every product of the batch: index of its left and right matrix.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// Shape of the result.
    pub(crate) shape: Shape,
}

/// Resolves vectors (rank 1) and broadcast batch axes.
pub(crate) fn geometry(a: &[usize], b: &[usize]) -> Result<Product, OpError> {
    if a.is_empty() || b.is_empty() {
        return Err(OpError::invalid("a matrix product needs operands with at least one axis"));
    }
    let left: Shape = if a.len() == 1 { [1, a[0]].into_iter().collect() } else { a.iter().copied().collect() };
    let right: Shape = if b.len() == 1 { [b[0], 1].into_iter().collect() } else { b.iter().copied().collect() };
    let (la, lb) = (left.len(), right.len());
    let (m, k, n) = (left[la - 2], left[la - 1], right[lb - 1]);
    if right[lb - 2] != k {
        return Err(OpError::invalid(format!(
            "a matrix product of {a:?} and {b:?}: {k} columns meet {} rows",
            right[lb - 2]
        )));
    }
    let batch = broadcast_shapes(&left[..la - 2], &right[..lb - 2])
        .ok_or_else(|| OpError::invalid(format!("the batches of {a:?} and {b:?} do not broadcast")))?;
    let mut pairs = Vec::new();
    let count: usize = batch.iter().product();
    let index = |flat: usize, shape: &[usize]| {
        let (mut rest, mut out, mut step) = (flat, 0, 1);
        for i in (0..batch.len()).rev() {
            let at = rest % batch[i];
            rest /= batch[i];
            if i + shape.len() >= batch.len() {
                let size = shape[i + shape.len() - batch.len()];
                out += if size == 1 { 0 } else { at * step };
                step *= size;
            }
        }
        out
    };
    for i in 0..count {
        pairs.push((index(i, &left[..la - 2]), index(i, &right[..lb - 2])));
    }
    let mut shape = batch;
    if a.len() > 1 {
        shape.push(m);
    }
    if b.len() > 1 {
        shape.push(n);
    }
    Ok(Product { m, k, n, pairs, shape })
}

impl Product {
    /// Multiplies every pair; `start(column)` begins a sum, `store` takes the flat result index.
    pub(crate) fn multiply<X: Copy, A: Copy>(
        &self,
        a: &[X],
        b: &[X],
        start: impl Fn(usize) -> A,
        mac: impl Fn(A, X, X, usize) -> A,
        mut store: impl FnMut(usize, A),
    ) {
        let (m, k, n) = (self.m, self.k, self.n);
        let mut row: Vec<A> = Vec::with_capacity(n);
        for (p, &(ia, ib)) in self.pairs.iter().enumerate() {
            for i in 0..m {
                row.clear();
                row.extend((0..n).map(&start));
                for l in 0..k {
                    let left = a[(ia * m + i) * k + l];
                    let right = &b[(ib * k + l) * n..(ib * k + l + 1) * n];
                    for (j, acc) in row.iter_mut().enumerate() {
                        *acc = mac(*acc, left, right[j], j);
                    }
                }
                for (j, &acc) in row.iter().enumerate() {
                    store((p * m + i) * n + j, acc);
                }
            }
        }
    }
}
