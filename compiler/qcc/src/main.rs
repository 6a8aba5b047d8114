//! The `qcc` command.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = cli::Cli::parse();
    match std::panic::catch_unwind(|| cli::run(command)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
        Err(_) => {
            eprintln!("this is a bug in qcc; please report it with the model and the message above");
            ExitCode::from(70)
        }
    }
}
