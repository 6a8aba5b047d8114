//! What the CPU can do, as far as code generation depends on it.

/// Instruction set extensions code may use. The same artifact is compiled for whatever is found at load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CpuFeatures {
    /// The triple of a CPU that was named; none stands for the one this process runs on.
    named: Option<&'static str>,
    /// Extensions as Cranelift calls them, in alphabetical order.
    enabled: Vec<&'static str>,
}

/// Extensions the generated code profits from: Cranelift's setting and the name the standard library detects it by.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! detect {
    ($enabled:ident, $detected:ident, $($setting:literal = $name:tt),* $(,)?) => {
        $(if std::arch::$detected!($name) { $enabled.push($setting); })*
    };
}

/// An instruction that adds dot products of four bytes to lanes of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DotInstruction {
    /// Unsigned by signed bytes, x86-64 with AVX-VNNI or AVX-512 VNNI.
    Vpdpbusd,
    /// Unsigned by signed bytes, aarch64 with I8MM.
    Usdot,
    /// Signed by signed bytes, aarch64 with DotProd: three of them make one of unsigned by signed bytes.
    Sdot,
}

impl CpuFeatures {
    /// The CPU this process runs on.
    pub fn detect() -> CpuFeatures {
        #[allow(unused_mut, reason = "nothing is detected on architectures without optional vector extensions")]
        let mut enabled = Vec::new();
        #[cfg(target_arch = "x86_64")]
        detect!(
            enabled,
            is_x86_feature_detected,
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
        #[cfg(target_arch = "aarch64")]
        detect!(enabled, is_aarch64_feature_detected, "has_dotprod" = "dotprod", "has_i8mm" = "i8mm");
        CpuFeatures { named: None, enabled }
    }

    /// A CPU by its triple and its extensions as Cranelift calls them, to look at code rather than to run it. What
    /// Cranelift knows of depends on the features it is built with: of its own, the host's backend only.
    pub fn named(triple: &'static str, extensions: &[&'static str]) -> CpuFeatures {
        let mut enabled = extensions.to_vec();
        enabled.sort_unstable();
        CpuFeatures { named: Some(triple), enabled }
    }

    /// The oldest x86-64 CPU supported (SSE4.1, no AVX); elsewhere the architecture's baseline.
    pub fn baseline() -> CpuFeatures {
        let x86 = vec!["has_sse3", "has_sse41", "has_ssse3"];
        CpuFeatures { named: None, enabled: if cfg!(target_arch = "x86_64") { x86 } else { Vec::new() } }
    }

    /// The triple of a CPU that was named, whose code must not be run here.
    pub fn triple(&self) -> Option<&'static str> {
        self.named
    }

    /// The instruction that takes dot products of four bytes ([`qcc_kernel::Op::Dot4`]), if there is one.
    pub fn dot4(&self) -> Option<DotInstruction> {
        let has = |name| self.enabled.contains(&name);
        if has("has_avx_vnni") || has("has_avx512vnni") && has("has_avx512vl") {
            Some(DotInstruction::Vpdpbusd)
        } else if has("has_i8mm") {
            Some(DotInstruction::Usdot)
        } else if has("has_dotprod") {
            Some(DotInstruction::Sdot)
        } else {
            None
        }
    }

    /// Extensions as Cranelift calls them, in alphabetical order.
    pub fn enabled(&self) -> &[&'static str] {
        &self.enabled
    }
}
