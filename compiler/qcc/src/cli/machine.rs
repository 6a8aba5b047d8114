//! `qcc machine`.

use qcc::failure::Failure;
use qcc::machine;
use qcc_cost::Unit;
use qcc_lower::Target;
use std::path::PathBuf;

/// Measure what this machine takes for the work of kernels, for choices and predictions that fit it
///
/// The measurement is kept in the user's cache, by the name of the CPU; `QCC_MACHINE` names another file, or, as `default`,
/// none. Without it the numbers of a current x86 server hold.
///
/// Examples:
///   qcc machine
///   qcc machine -o server.json
///   QCC_MACHINE=server.json qcc profile model.onnx
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct MachineCommand {
    /// Where the measurement goes instead of the user's cache
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,
}

impl MachineCommand {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let nowhere =
            || Failure::input_with_help("there is no cache folder for the measurement", "give a file with -o");
        let path = self.output.clone().or_else(machine::path).ok_or_else(nowhere)?;
        let measured = machine::measure()?;
        let table = machine::table(Target::host());
        println!("{:<22} {:>12} {:>12}", "unit of work", "ns", "default ns");
        for &unit in Unit::ALL {
            println!("{:<22} {:>12.4} {:>12.4}", unit.name(), measured.machine.ns_of(unit), table.ns_of(unit));
        }
        let mut errors: Vec<f64> = measured.cases.iter().map(|(predicted, ns)| (predicted / ns - 1.0).abs()).collect();
        errors.sort_by(f64::total_cmp);
        println!("\n{} cases, median error {:.0} %", errors.len(), 100.0 * errors[errors.len() / 2]);
        machine::store(&measured.machine, &path)?;
        println!("written to {}", path.display());
        Ok(())
    }
}
