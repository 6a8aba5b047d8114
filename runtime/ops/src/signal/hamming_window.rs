//! `HammingWindow`.

crate::signal::window::window!("HammingWindow", "A cosine that does not reach zero.", [25.0 / 46.0, -21.0 / 46.0]);
