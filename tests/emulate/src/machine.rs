//! The CPUs code is generated for.

use crate::emulator::Emulator;

/// A CPU and what emulates it.
pub struct Machine {
    /// Name for reports.
    pub name: &'static str,
    /// What Cranelift calls its architecture.
    pub triple: &'static str,
    /// What Cranelift calls its extensions.
    pub extensions: &'static [&'static str],
    /// Mnemonic of its dot product of bytes.
    pub dot: Option<&'static str>,
    /// How many of them make one of unsigned by signed bytes.
    pub dots_per_operation: usize,
    /// Whether wide kernels have a backend of their own, which takes no dot products of bytes.
    pub wide: bool,
    /// What runs its code.
    pub emulator: Emulator,
}

const X86: &str = "x86_64-unknown-linux-gnu";
const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// Every CPU of aarch64 is the oldest one that has its extensions, so that code with others stops.
pub const MACHINES: &[Machine] = &[
    Machine {
        name: "x86-64, AVX-512 VNNI",
        triple: X86,
        extensions: &[
            "has_avx",
            "has_avx2",
            "has_avx512f",
            "has_avx512vl",
            "has_avx512vnni",
            "has_bmi1",
            "has_bmi2",
            "has_fma",
            "has_popcnt",
            "has_sse3",
            "has_sse41",
            "has_sse42",
            "has_ssse3",
        ],
        dot: Some("vpdpbusd"),
        dots_per_operation: 1,
        wide: true,
        emulator: Emulator::Bochs { cpu: "tigerlake" },
    },
    Machine {
        name: "aarch64",
        triple: AARCH64,
        extensions: &[],
        dot: None,
        dots_per_operation: 0,
        wide: false,
        emulator: Emulator::Qemu { cpu: "cortex-a53" },
    },
    Machine {
        name: "aarch64, DotProd",
        triple: AARCH64,
        extensions: &["has_dotprod"],
        dot: Some("sdot"),
        dots_per_operation: 3,
        wide: false,
        emulator: Emulator::Qemu { cpu: "cortex-a76" },
    },
    Machine {
        name: "aarch64, I8MM",
        triple: AARCH64,
        extensions: &["has_dotprod", "has_i8mm"],
        dot: Some("usdot"),
        dots_per_operation: 1,
        wide: false,
        emulator: Emulator::Qemu { cpu: "max" },
    },
];
