//! Every rule prints as text that parses back to the same rule.

mod files;

use std::path::Path;

#[test]
fn standard_rules_survive_printing() {
    let (set, _) = files::compile_folder(&files::standard()).expect("the standard rules compile");
    files::check_round_trip(&set);
}

#[test]
fn good_rules_survive_printing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good");
    let (set, _) = files::compile_folder(&folder).expect("the good rules compile");
    files::check_round_trip(&set);
}
