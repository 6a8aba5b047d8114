//! Why a command did not do what it was asked, and the exit code that says so.

use qcc_diag::{Diagnostic, Severity, SourceMap};
use qcc_egraph::ExtractError;
use qcc_egraph::explain::ExplainError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The model or a rule file is wrong or not supported.
    #[error("{}", render(.0))]
    Diagnostics(Vec<Diagnostic>),
    /// Rule files are wrong; with their texts.
    #[error("{}", render_rules(.0, .1))]
    Rules(Box<SourceMap>, Vec<Diagnostic>),
    /// A check or comparison failed, as the message says.
    #[error("{0}")]
    Check(String),
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

/// What to do about a model that takes more than it may.
pub const RAISE_LIMITS: &str = "if the model is trusted, --max-memory and --max-work raise the limits";

fn render_rules(sources: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| qcc_diag::render(d, sources)).collect::<Vec<_>>().join("\n\n")
}

fn render(diagnostics: &[Diagnostic]) -> String {
    render_rules(&SourceMap::default(), diagnostics)
}

impl From<ExplainError> for Failure {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Extract(error) => error.into(),
            other => Self::Bug(other.to_string()),
        }
    }
}

impl From<ExtractError> for Failure {
    fn from(error: ExtractError) -> Self {
        match error {
            ExtractError::Constant { .. } => Self::Input(error.to_string()),
            ExtractError::Bug(what) => Self::Bug(what),
        }
    }
}

impl Failure {
    /// An [`Failure::Input`].
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// An [`Failure::Input`] with what to do about it, in the form of a [`Diagnostic`].
    pub fn input_with_help(message: impl std::fmt::Display, help: impl std::fmt::Display) -> Self {
        Self::Input(format!("{message}\n |\n = help: {help}"))
    }

    /// A name that is not known, with the nearest one that is; `list` says where all of them are found.
    pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>, list: &str) -> Self {
        let help = match qcc_dsl::nearest(name, known) {
            Some(other) => format!("did you mean `{other}`? {list}"),
            None => list.to_string(),
        };
        Self::input_with_help(format!("there is no {what} `{name}`"), help)
    }

    /// 1 a failed check, 2 bad usage or input, 3 not supported yet, 70 a bug in qcc.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Diagnostics(d) if d.iter().all(|d| d.severity == Severity::Unsupported) => 3,
            Failure::Check(_) => 1,
            Failure::Diagnostics(_) | Failure::Rules(..) | Failure::Input(_) => 2,
            Failure::Unsupported(_) => 3,
            Failure::Bug(_) => 70,
        }
    }
}

impl From<qcc_ops::OpError> for Failure {
    fn from(error: qcc_ops::OpError) -> Self {
        match error {
            qcc_ops::OpError::Invalid(m) => Failure::Input(m),
            qcc_ops::OpError::Limit(m) => Failure::input_with_help(m, RAISE_LIMITS),
            qcc_ops::OpError::Unsupported(m) | qcc_ops::OpError::Dynamic(m) => Failure::Unsupported(m),
        }
    }
}

/// What to do about an array of another type than the model's input.
pub const CONVERT: &str = "convert it, as with numpy's `astype` and `reshape`";

impl From<qcc_session::SessionError> for Failure {
    fn from(error: qcc_session::SessionError) -> Self {
        use qcc_session::SessionError as E;
        let message = error.to_string();
        match error {
            E::Count { .. } => Failure::Input(message),
            E::Mismatch { .. } => Failure::input_with_help(message, CONVERT),
            E::Op { error: qcc_ops::OpError::Unsupported(_) | qcc_ops::OpError::Dynamic(_), .. } => {
                Failure::Unsupported(message)
            }
            E::Tail(error) => Failure::from(error),
            E::Op { .. } | E::Memory { .. } => Failure::Input(message),
            E::Interpret { error: qcc_kernel::InterpretError::BrokenPromise { .. }, .. } => {
                Failure::input_with_help(message, "a compiled model that was changed does that: compile it again")
            }
            E::Program(_) | E::Jit(_) | E::Threads { .. } | E::Interpret { .. } => Failure::Bug(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qcc_kernel::InterpretError;

    #[test]
    fn a_number_of_a_file_that_breaks_a_promise_is_wrong_input() {
        let error = InterpretError::BrokenPromise { kernel: "pick".into(), value: 9, lo: 0, hi: 3 };
        let failure = Failure::from(qcc_session::SessionError::Interpret { step: "y".into(), error });
        assert_eq!(failure.exit_code(), 2, "{failure}");
        assert!(
            failure.to_string().contains("step `y`: kernel pick: 9 is outside the promised range 0..=3"),
            "{failure}"
        );
    }
}
