//! The standard rules compile.

mod files;

use qcc_diag::{Severity, render};

#[test]
fn the_standard_rules_compile() {
    match files::compile_folder(&files::standard()) {
        Ok((set, warnings)) => {
            let texts: Vec<String> = warnings.iter().map(|d| render(d, &set.sources)).collect();
            assert!(warnings.iter().all(|d| d.severity == Severity::Warning), "{}", texts.join("\n\n"));
            assert!(set.rules.len() > 40 && set.tests.len() > set.rules.len() / 2, "rules are missing");
            assert!(set.schedules.contains_key("default"));
        }
        Err((sources, errors)) => {
            let texts: Vec<String> = errors.iter().map(|d| render(d, &sources)).collect();
            panic!("{}", texts.join("\n\n"));
        }
    }
}
