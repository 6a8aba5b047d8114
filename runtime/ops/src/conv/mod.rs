//! Convolutions and pools: everything that slides a window over the spatial axes.

pub(crate) mod average_pool;
pub(crate) mod col2im;
pub(crate) mod conv_;
pub(crate) mod conv_integer;
pub(crate) mod conv_transpose;
pub(crate) mod global_average_pool;
pub(crate) mod global_lp_pool;
pub(crate) mod global_max_pool;
pub(crate) mod iconv;
pub(crate) mod isum_pool;
pub(crate) mod iwinograd;
pub(crate) mod lp_pool;
pub(crate) mod max_pool;
pub(crate) mod max_unpool;
mod pool;
pub(crate) mod window;
