//! Equality saturation: a graph and rules in, the cheapest equivalent graph out.
//!
//! [`saturate`] writes a typed graph into an e-graph and lets rules add what they find equal, in the order of a schedule.
//! [`extract`] chooses the cheapest graph under the true cost of a graph, in which a shared value is paid once. Graphs are
//! never rewritten by code here: everything that makes a graph better is a rule.
//!
//! The only user of egg, of which it takes the e-graph itself: searching, scheduling and choosing are done here.

mod analysis;
mod bindings;
mod builtin;
mod encode;
pub mod explain;
mod extract;
mod furthest;
mod history;
mod instance;
mod language;
mod matcher;
mod meta;
mod random;
mod range;
mod report;
pub mod rule_test;
mod saturate;
pub mod soundness;
mod sum_fits;
mod tables;
mod values;
pub mod why;

pub use extract::{ExtractError, Extracted, Frontier, Noisy, Within, avoiding, extract};
pub use history::Record;
pub use qcc_cost::CostModel;
pub use report::{Report, RuleReport, StepReport, Stop};
pub use saturate::{Options, SaturateError, Saturated, saturate};
