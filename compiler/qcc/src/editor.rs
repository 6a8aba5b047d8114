//! What the language server asks of the program: which files belong together, and how tests are run.

use crate::snapshot::{self, Compared};
use crate::standard_rules;
use qcc_dsl::{LoadError, RuleSet, Source};
use qcc_lsp::{Host, TestResult};
use rayon::prelude::*;

/// This program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Program;

impl Host for Program {
    fn sources(&self, path: &str, text: &str) -> Vec<Source> {
        standard_rules::around(path, text)
    }

    fn load(&self, path: &str) -> Result<Source, LoadError> {
        standard_rules::load(path)
    }

    fn run_tests(&self, rules: &RuleSet, module: &str, only: Option<&str>) -> Vec<TestResult> {
        let mut rules = rules.clone();
        standard_rules::join_schedule(&mut rules);
        let places = snapshot::places(&rules, module);
        let wanted = |test: &&qcc_dsl::Test| test.module == module && only.is_none_or(|name| test.name == name);
        let tests: Vec<_> = rules.tests.iter().filter(wanted).collect();
        let result = |test: &&qcc_dsl::Test| {
            let mut outcome = qcc_egraph::rule_test::run_test(test, &rules);
            let place = places.iter().find(|(name, _)| *name == test.name).and_then(|(_, place)| place.as_ref());
            if let (Some(place), Some(chosen)) = (place, &outcome.chosen) {
                outcome.failures.extend(match place.compare(chosen) {
                    Compared::Same => None,
                    Compared::Missing => Some(format!("there is no snapshot `{}` yet", place.path.display())),
                    Compared::Differs(lines) => {
                        Some(format!("the chosen graph is not that of `{}`\n{lines}", place.path.display()))
                    }
                    Compared::Unreadable(why) => Some(why),
                });
            }
            TestResult { name: test.name.clone(), failures: outcome.failures }
        };
        tests.par_iter().map(result).collect()
    }
}
