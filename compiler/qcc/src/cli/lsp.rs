//! `qcc lsp`.

use qcc::editor::Program;
use qcc::failure::Failure;
use qcc_lsp::{Connection, ServeError, serve};

/// Serve an editor over standard input and output: diagnostics, hover, completion, formatting, running tests
///
/// Editors start it themselves; examples/editor/README.md says how they are told to.
///
/// Example, for Neovim:
///   vim.lsp.start({ name = "qcc", cmd = { "qcc", "lsp" } })
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Lsp {
    /// Editors say so; it is the only way
    #[arg(long, hide = true)]
    stdio: bool,
}

impl Lsp {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let (connection, threads) = Connection::stdio();
        let ended = serve(&connection, &Program);
        // The writing thread ends when nobody can send to it any more.
        drop(connection);
        match ended {
            Ok(()) => threads.join().map_err(|e| Failure::input(format!("the editor cannot be reached: {e}"))),
            Err(error @ ServeError::Gone) => Err(Failure::Check(error.to_string())),
            Err(error) => Err(Failure::input(error.to_string())),
        }
    }
}
