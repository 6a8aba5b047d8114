//! Ops that reduce axes.

pub(crate) mod arg_max;
pub(crate) mod arg_min;
pub(crate) mod cum_prod;
pub(crate) mod cum_sum;
pub(crate) mod ireduce_sum;
pub(crate) mod over;
pub(crate) mod reduce_l1;
pub(crate) mod reduce_l2;
pub(crate) mod reduce_log_sum;
pub(crate) mod reduce_log_sum_exp;
pub(crate) mod reduce_max;
pub(crate) mod reduce_mean;
pub(crate) mod reduce_min;
pub(crate) mod reduce_prod;
pub(crate) mod reduce_sum;
pub(crate) mod reduce_sum_square;
