//! Ops on images, boxes and regions.

pub(crate) mod affine_grid;
pub(crate) mod deform_conv;
pub(crate) mod grid_sample;
pub(crate) mod non_max_suppression;
pub(crate) mod roi_align;
