//! Walking over all indices of a shape.

/// Calls `f` for every index of `shape` in row-major order.
pub(crate) fn each_index(shape: &[usize], mut f: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    loop {
        f(&index);
        let Some(axis) = (0..shape.len()).rev().find(|&i| index[i] + 1 < shape[i]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}
