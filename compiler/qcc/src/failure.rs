//! Why a command did not do what it was asked, and the exit code that says so.

use qcc_diag::{Diagnostic, Severity, SourceMap};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The model or a rule file is wrong or not supported.
    #[error("{}", render(.0))]
    Diagnostics(Vec<Diagnostic>),
    /// The command line or a data file is wrong.
    #[error("error: {0}")]
    Input(String),
    /// Something the model needs is missing in qcc.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// An invariant of qcc does not hold.
    #[error("this is a bug in qcc: {0}")]
    Bug(String),
}

fn render(diagnostics: &[Diagnostic]) -> String {
    let sources = SourceMap::default();
    diagnostics.iter().map(|d| qcc_diag::render(d, &sources)).collect::<Vec<_>>().join("\n\n")
}

impl Failure {
    /// An [`Failure::Input`].
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// 2 bad usage or input, 3 not supported yet, 70 a bug in qcc.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Diagnostics(d) if d.iter().all(|d| d.severity == Severity::Unsupported) => 3,
            Failure::Diagnostics(_) | Failure::Input(_) => 2,
            Failure::Unsupported(_) => 3,
            Failure::Bug(_) => 70,
        }
    }
}

impl From<qcc_ops::OpError> for Failure {
    fn from(error: qcc_ops::OpError) -> Self {
        match error {
            qcc_ops::OpError::Invalid(m) => Failure::Input(m),
            qcc_ops::OpError::Unsupported(m) => Failure::Unsupported(m),
        }
    }
}
