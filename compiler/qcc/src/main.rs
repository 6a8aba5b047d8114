//! The `qcc` command.

mod cli;

use clap::Parser;
use std::process::ExitCode;

/// Exit code of a program whose reader went away, as shells report it for SIGPIPE.
const BROKEN_PIPE: i32 = 141;

fn main() -> ExitCode {
    leave_quietly_when_nobody_reads();
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

/// `qcc … | head` ends the program when `head` has read enough. That is no bug, though printing then panics.
fn leave_quietly_when_nobody_reads() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if message.starts_with("failed printing to stdout") {
            std::process::exit(BROKEN_PIPE);
        }
        report(panic);
    }));
}
