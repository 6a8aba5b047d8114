//! The language server for `.rules` files: the protocol around what `qcc_dsl` knows.
//!
//! [`serve`] answers an editor over a connection until it says goodbye. It keeps the texts of open files; everything else is
//! asked of `qcc_dsl::explore` anew, which takes milliseconds. What only the program knows, which files belong together and
//! how tests are run, it asks its [`Host`].

mod answer;
mod capabilities;
mod convert;
mod documents;
mod position;
mod server;

pub use lsp_server::Connection;
pub use server::serve;

use qcc_dsl::{LoadError, RuleSet, Source};

/// What the server needs to know of the program it is part of.
pub trait Host {
    /// The files that are read together with an open one, the open one among them under the path it was given.
    fn sources(&self, path: &str, text: &str) -> Vec<Source>;

    /// The file that one of them imports.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    fn load(&self, path: &str) -> Result<Source, LoadError>;

    /// Runs the tests of a module, or one of them.
    fn run_tests(&self, rules: &RuleSet, module: &str, only: Option<&str>) -> Vec<TestResult>;
}

/// What came out of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Its sentence.
    pub name: String,
    /// What does not hold; empty if it passed.
    pub failures: Vec<String>,
}

/// Why a server ended that was not told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The editor broke the protocol.
    #[error("the editor broke the protocol: {0}")]
    Protocol(#[from] lsp_server::ProtocolError),
    /// A message has not the form that its method demands.
    #[error("a message cannot be understood: {0}")]
    Message(#[from] serde_json::Error),
    /// The editor went away.
    #[error("the editor went away")]
    Gone,
}
