//! `HannWindow`.

crate::signal::window::window!("HannWindow", "Half a cosine.", [0.5, -0.5]);
