//! Commands and their arguments.

mod asked;
mod bench;
mod calibrate;
mod check;
mod compile;
mod completions;
mod dead;
mod evidence;
mod explain;
mod fmt;
mod inspect;
mod list;
mod lsp;
mod machine;
mod markdown;
mod profile;
mod progress;
mod quantize;
mod rule_profile;
mod rule_tests;
mod rules;
mod run;
mod verify;
mod watch;
mod why;

use clap::{Parser, Subcommand};
use qcc::failure::Failure;
use qcc::standard_rules::{Selection, Standard};
use qcc_ir::Bindings;
use qcc_kernel::program::Limits;
use std::path::PathBuf;

/// A compiler for neural networks whose every optimization is data.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Compile(compile::Compile),
    Quantize(quantize::Quantize),
    Run(run::Run),
    Bench(bench::Bench),
    Inspect(inspect::Inspect),
    Profile(profile::ProfileCommand),
    Machine(machine::MachineCommand),
    Verify(verify::Verify),
    Explain(explain::Explain),
    Why(why::Why),
    #[command(subcommand)]
    Rules(rules::Rules),
    Lsp(lsp::Lsp),
    Completions(completions::Completions),
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

/// Which rules the optimizer applies.
#[derive(Debug, clap::Args)]
struct RuleFiles {
    /// Apply the rules of a file, too
    #[arg(long, value_name = "FILE.rules")]
    rules: Vec<PathBuf>,
    /// Apply only the files given with --rules
    #[arg(long)]
    no_std_rules: bool,
    /// Leave out one standard file: --without layout.rules
    #[arg(long, value_name = "NAME.rules")]
    without: Vec<String>,
    /// Run a schedule of the rule files instead of `default`: its steps, and no ruleset that they do not name
    #[arg(long, value_name = "NAME")]
    schedule: Option<String>,
    /// Leave out rules by name: --without-rules conv-nhwc,start-core
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    without_rules: Vec<String>,
}

impl RuleFiles {
    fn selection(&self) -> Selection {
        let standard = if self.no_std_rules { Standard::Omit } else { Standard::Use };
        Selection {
            files: self.rules.clone(),
            without: self.without.clone(),
            without_rules: self.without_rules.clone(),
            schedule: self.schedule.clone(),
            standard,
        }
    }
}

/// What a compiled model may need; one that asks for more is refused before it gets anything.
#[derive(Debug, clap::Args)]
struct Most {
    /// Memory that a .qcc file may ask for, or what follows from a model's data, in MiB
    #[arg(long, value_name = "MIB", default_value_t = Limits::default().memory >> 20)]
    max_memory: u64,
    /// Operations that a run of a .qcc file may take, or what follows from a model's data
    #[arg(long, value_name = "N", default_value_t = Limits::default().work)]
    max_work: u64,
}

impl Most {
    fn limits(&self) -> Limits {
        Limits { memory: self.max_memory.saturating_mul(1 << 20), work: self.max_work, ..Limits::default() }
    }
}

/// How the compiled kernels are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum EngineName {
    /// Machine code
    Jit,
    /// One operation at a time: slow, and the definition of what machine code must compute
    Interpreter,
}

impl From<EngineName> for qcc_session::Engine {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Jit => Self::Jit,
            EngineName::Interpreter => Self::Interpreter,
        }
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
        Command::Compile(command) => command.execute(),
        Command::Quantize(command) => command.execute(),
        Command::Run(command) => command.execute(),
        Command::Bench(command) => command.execute(),
        Command::Rules(command) => command.execute(),
        Command::Lsp(command) => command.execute(),
        Command::Completions(command) => command.execute(),
        Command::Inspect(command) => command.execute(),
        Command::Profile(command) => command.execute(),
        Command::Machine(command) => command.execute(),
        Command::Verify(command) => command.execute(),
        Command::Explain(command) => command.execute(),
        Command::Why(command) => command.execute(),
    }
}
