//! An answer as text.

use super::{Answer, Comparison};
use std::fmt;

/// The summary, a line for each detail, and the table of kernels that would change.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary)?;
        for detail in &self.details {
            writeln!(f, "  {detail}")?;
        }
        match &self.comparison {
            Some(comparison) => write!(f, "{comparison}"),
            None => Ok(()),
        }
    }
}

/// One line for each kernel that would change, and one for the whole graph.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = |cost: Option<f64>| cost.map_or("-".to_string(), |c| format!("{c:.1}"));
        writeln!(f, "  {:<44} {:>12} {:>12}", "kernel (ns)", "chosen", "with it")?;
        for change in &self.changes {
            writeln!(f, "  {:<44} {:>12} {:>12}", change.kernel, ns(change.chosen_ns), ns(change.with_ns))?;
        }
        writeln!(f, "  {:<44} {:>12} {:>12}", "whole graph", ns(Some(self.chosen_ns)), ns(Some(self.with_ns)))
    }
}
