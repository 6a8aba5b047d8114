//! What the CPU can do, as far as code generation depends on it.

/// Instruction set extensions code may use. The same artifact is compiled for whatever is found at load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CpuFeatures {
    /// Extensions as Cranelift calls them, in alphabetical order.
    enabled: Vec<&'static str>,
}

/// Extensions the generated code profits from: Cranelift's setting and the name the standard library detects it by.
#[cfg(target_arch = "x86_64")]
macro_rules! detect {
    ($enabled:ident, $($setting:literal = $name:tt),* $(,)?) => {
        $(if std::is_x86_feature_detected!($name) { $enabled.push($setting); })*
    };
}

impl CpuFeatures {
    /// The CPU this process runs on.
    pub fn detect() -> CpuFeatures {
        #[allow(unused_mut, reason = "nothing is detected on architectures without optional vector extensions")]
        let mut enabled = Vec::new();
        #[cfg(target_arch = "x86_64")]
        detect!(
            enabled,
            "has_avx" = "avx",
            "has_avx_vnni" = "avxvnni",
            "has_avx2" = "avx2",
            "has_avx512f" = "avx512f",
            "has_avx512vl" = "avx512vl",
            "has_avx512vnni" = "avx512vnni",
            "has_bmi1" = "bmi1",
            "has_bmi2" = "bmi2",
            "has_fma" = "fma",
            "has_popcnt" = "popcnt",
            "has_sse3" = "sse3",
            "has_sse41" = "sse4.1",
            "has_sse42" = "sse4.2",
            "has_ssse3" = "ssse3",
        );
        CpuFeatures { enabled }
    }

    /// The oldest x86-64 CPU supported (SSE4.1, no AVX); elsewhere the architecture's baseline.
    pub fn baseline() -> CpuFeatures {
        let x86 = vec!["has_sse3", "has_sse41", "has_ssse3"];
        CpuFeatures { enabled: if cfg!(target_arch = "x86_64") { x86 } else { Vec::new() } }
    }

    /// Whether the dot product of four bytes ([`qcc_kernel::Op::Dot4`]) is one instruction.
    pub fn has_dot4(&self) -> bool {
        let has = |name| self.enabled.contains(&name);
        has("has_avx_vnni") || has("has_avx512vnni") && has("has_avx512vl")
    }

    /// Extensions as Cranelift calls them, in alphabetical order.
    pub fn enabled(&self) -> &[&'static str] {
        &self.enabled
    }
}
