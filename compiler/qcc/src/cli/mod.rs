//! Commands and their arguments.

mod inspect;
mod run;

use clap::{Parser, Subcommand};
use qcc::failure::Failure;
use qcc_ir::Bindings;

/// A compiler for neural networks whose every optimization is data.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Inspect(inspect::Inspect),
}

/// Sizes of inputs that the model leaves open.
#[derive(Debug, clap::Args)]
struct Sizes {
    /// Fix a symbolic dimension: --bind N=1
    #[arg(long, value_name = "DIM=SIZE", value_parser = parse_dim)]
    bind: Vec<(String, usize)>,
    /// Fix the shape of an input: --shape x=1x3x48x320
    #[arg(long, value_name = "NAME=SIZES", value_parser = parse_shape)]
    shape: Vec<(String, Vec<usize>)>,
}

impl Sizes {
    fn bindings(&self) -> Bindings {
        Bindings { dims: self.bind.clone(), shapes: self.shape.clone() }
    }
}

fn parse_dim(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.split_once('=').ok_or("expected DIM=SIZE")?;
    Ok((name.to_string(), size.parse().map_err(|_| format!("`{size}` is no size"))?))
}

fn parse_shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let (name, sizes) = text.rsplit_once('=').ok_or("expected NAME=1x3x48x320")?;
    let sizes: Result<_, _> = sizes.split('x').map(str::parse).collect();
    Ok((name.to_string(), sizes.map_err(|_| "expected sizes like 1x3x48x320".to_string())?))
}

/// Runs a command.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(command) => command.execute(),
        Command::Inspect(command) => command.execute(),
    }
}
