//! `ReduceProd`.

crate::reduce::over::reduction!("ReduceProd", "Product over axes.", |values| values.product());
