//! `BlackmanWindow`.

crate::signal::window::window!("BlackmanWindow", "A sum of two cosines.", [0.42, -0.5, 0.08]);
