//! `qcc completions`.

use super::Cli;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use qcc::failure::Failure;

/// Print a script that completes qcc's commands and options in a shell
///
/// Examples:
///   qcc completions bash > ~/.local/share/bash-completion/completions/qcc
///   qcc completions zsh > ~/.zfunc/_qcc
///   qcc completions fish > ~/.config/fish/completions/qcc.fish
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        generate(self.shell, &mut Cli::command(), "qcc", &mut std::io::stdout());
        Ok(())
    }
}
