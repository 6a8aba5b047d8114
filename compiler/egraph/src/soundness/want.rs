//! What the place where a value is needed asks of it.

use super::content::Content;
use super::draw::Draw;
use qcc_tensor::DType;

/// Wishes for a value. They guide the generator; whether a call is legal is decided by its type rule.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    /// Element types, the simplest first; empty means any.
    pub(crate) dtypes: Vec<DType>,
    /// Shape.
    pub(crate) shape: Option<Vec<usize>>,
    /// Fewest and most axes, where the shape is free.
    pub(crate) ranks: (usize, usize),
    /// Contents.
    pub(crate) content: Content,
    /// Whether it must be known at compile time.
    pub(crate) constant: Option<bool>,
}

impl Default for Want {
    fn default() -> Self {
        Self { dtypes: Vec::new(), shape: None, ranks: (0, 4), content: Content::Any, constant: None }
    }
}

/// Element types of values that nobody asks anything of, with how often each is drawn.
const ANY: [DType; 12] = [
    DType::F32,
    DType::F64,
    DType::F32,
    DType::F32,
    DType::F64,
    DType::U8,
    DType::I8,
    DType::I32,
    DType::I64,
    DType::F16,
    DType::Bool,
    DType::U16,
];

/// Sizes of axes with how often each is drawn. Lanes are four or eight wide, so sizes beside these occur.
const SIZES: [usize; 12] = [1, 2, 3, 2, 3, 1, 4, 5, 2, 3, 0, 4];

/// Axes of a drawn tensor at most.
const MOST_AXES: usize = 6;

/// Elements of a drawn tensor at most: reference evaluation is slow, and a wrong rule is wrong on small graphs.
const ELEMENTS: usize = 160;

impl Want {
    /// A value of one element type and shape.
    pub(crate) fn exactly(dtype: DType, shape: impl IntoIterator<Item = usize>) -> Self {
        Self { dtypes: vec![dtype], shape: Some(shape.into_iter().collect()), ..Self::default() }
    }

    /// Integers that the type rule reads at compile time.
    pub(crate) fn list(values: Vec<i64>) -> Self {
        let shape = Some(vec![values.len()]);
        let content = Content::List(values.into_iter().map(|v| v as f64).collect());
        Self { dtypes: vec![DType::I64], shape, content, constant: Some(true), ..Self::default() }
    }

    /// The same wish with other contents.
    pub(crate) fn with(self, content: Content) -> Self {
        Self { content, ..self }
    }

    /// An element type.
    pub(crate) fn dtype(&self, draw: &mut Draw<'_>) -> DType {
        if self.dtypes.is_empty() { draw.one_of("dtype", &ANY) } else { draw.one_of("dtype", &self.dtypes) }
    }

    /// A shape.
    pub(crate) fn draw_shape(&self, draw: &mut Draw<'_>) -> Vec<usize> {
        if let Some(shape) = &self.shape {
            return shape.clone();
        }
        let (least, most) = self.ranks;
        // Two axes are the simplest that tell an axis from another.
        let mut ranks: Vec<usize> = (least..=most.max(least)).collect();
        ranks.sort_by_key(|&r| r.abs_diff(2.max(least)));
        let rank = draw.one_of("rank", &ranks).min(MOST_AXES);
        if let Some(size) = draw.coincidence() {
            return (0..rank).map(|i| if draw.rarely(&format!("one {i}"), 4) { 1 } else { size }).collect();
        }
        let mut shape: Vec<usize> = (0..rank).map(|i| draw.one_of(&format!("size {i}"), &SIZES)).collect();
        // Spatial axes carry windows: they are larger.
        if least >= 3 {
            for (i, size) in shape.iter_mut().enumerate().skip(1) {
                *size = (*size + draw.pick(&format!("more {i}"), 4)).min(6);
            }
        }
        while shape.iter().product::<usize>() > ELEMENTS {
            let largest = (0..rank).max_by_key(|&i| shape[i]).unwrap_or(0);
            shape[largest] = (shape[largest] / 2).max(1);
        }
        shape
    }
}
