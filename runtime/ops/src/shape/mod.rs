//! Ops that move, select and join elements, and ops on shapes.

pub(crate) mod axes;
pub(crate) mod concat;
pub(crate) mod constant_of_shape;
pub(crate) mod depth_to_space;
pub(crate) mod expand;
pub(crate) mod eye_like;
pub(crate) mod flatten;
pub(crate) mod gather;
pub(crate) mod gather_elements;
pub(crate) mod gather_nd;
mod moved;
pub(crate) mod one_hot;
pub(crate) mod pad;
pub(crate) mod range;
pub(crate) mod reshape;
pub(crate) mod resize;
mod scatter;
pub(crate) mod scatter_elements;
pub(crate) mod scatter_nd;
pub(crate) mod shape_;
pub(crate) mod slice;
pub(crate) mod space_to_depth;
pub(crate) mod split;
pub(crate) mod squeeze;
pub(crate) mod tile;
pub(crate) mod top_k;
pub(crate) mod transpose;
pub(crate) mod trilu;
pub(crate) mod unsqueeze;

pub(crate) use axes::axes as sorted_axes;
pub(crate) use axes::axis as positive_axis;
