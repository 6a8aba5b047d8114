//! `qcc rules`.

use qcc::failure::Failure;
use qcc::standard_rules::{self, Selection, Standard};
use qcc_diag::Diagnostic;
use qcc_dsl::RuleSet;
use std::path::PathBuf;

/// Check, test, list and format rules
#[derive(Debug, clap::Subcommand)]
pub enum Rules {
    Check(super::check::Check),
    Test(super::rule_tests::Test),
    List(super::list::List),
    Fmt(super::fmt::Fmt),
    Profile(super::rule_profile::Profile),
}

/// Rule files of a command.
#[derive(Debug, clap::Args)]
pub struct Files {
    /// The files; none means the standard rules
    files: Vec<PathBuf>,
    /// Do not use the standard rules beside the files
    #[arg(long)]
    no_std_rules: bool,
}

impl Files {
    /// The rules; warnings are printed.
    pub(super) fn compile(&self) -> Result<RuleSet, Failure> {
        Ok(self.told(self.compile_quietly()?))
    }

    /// The rules and the warnings about them.
    pub(super) fn compile_quietly(&self) -> Result<(RuleSet, Vec<Diagnostic>), Failure> {
        let standard = if self.no_std_rules { Standard::Omit } else { Standard::Use };
        let selection = Selection { files: self.files.clone(), standard, ..Selection::default() };
        standard_rules::compile(&selection)
    }

    /// The files as they were named.
    pub(super) fn given(&self) -> &[PathBuf] {
        &self.files
    }

    /// Prints warnings.
    pub(super) fn told(&self, (rules, warnings): (RuleSet, Vec<Diagnostic>)) -> RuleSet {
        for warning in &warnings {
            eprintln!("{}\n", qcc_diag::render(warning, &rules.sources));
        }
        rules
    }

    /// The modules the command is about: those of its files, or all.
    pub(super) fn modules(&self, rules: &RuleSet) -> Vec<String> {
        if self.files.is_empty() {
            rules.modules.iter().map(|m| m.name.clone()).collect()
        } else {
            standard_rules::modules_of(rules, &self.files)
        }
    }
}

impl Rules {
    /// Executes the command.
    pub fn execute(&self) -> Result<(), Failure> {
        match self {
            Rules::Check(command) => command.execute(),
            Rules::Test(command) => command.execute(),
            Rules::List(command) => command.execute(),
            Rules::Fmt(command) => command.execute(),
            Rules::Profile(profile) => profile.execute(),
        }
    }
}
