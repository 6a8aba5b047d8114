//! Good files compile, print and survive the way back; bad files give the errors that are accepted as snapshots.

mod files;

use qcc_diag::{Diagnostic, SourceMap, render};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn rendered(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    diagnostics.iter().map(|d| render(d, sources)).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn bad_files_are_rejected_with_all_their_errors() {
    let folder = folder("bad");
    for source in files::sources(&folder) {
        let name = source.path.trim_end_matches(".rules").to_string();
        let Err((sources, errors)) = files::compile_in(&folder, &[source]) else { panic!("{name} compiles") };
        insta::with_settings!({ snapshot_path => &folder, prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, rendered(&errors, &sources));
        });
    }
}

#[test]
fn good_files_mean_what_is_accepted() {
    let folder = folder("good");
    for source in files::sources(&folder) {
        let name = source.path.trim_end_matches(".rules").to_string();
        let path = source.path.clone();
        let (set, warnings) = match files::compile_in(&folder, &[source]) {
            Ok(compiled) => compiled,
            Err((sources, errors)) => panic!("{name}\n{}", rendered(&errors, &sources)),
        };
        let module = set.modules.iter().find(|m| m.path == path).expect("the module is there");
        let mut text = format!("{} ({:?})\n\n", module.name, module.doc);
        for rule in set.rules.iter().filter(|r| r.module == module.name) {
            text += &format!("{}\n", qcc_dsl::print(rule));
        }
        for test in set.tests.iter().filter(|t| t.module == module.name) {
            text += &format!("test {:?}\n  inputs {:?}\n", test.name, test.graph.inputs);
            for (i, node) in test.graph.nodes.iter().enumerate() {
                text += &format!("  %{i} = {} {:?} {:?} -> {}\n", node.op, node.attrs, node.inputs, node.outputs);
            }
            text += &format!("  return {:?}\n", test.graph.outputs);
            for expect in &test.expects {
                let line = format!("{expect:?}");
                text += &format!(
                    "  {}\n",
                    line.split(", Span").next().unwrap_or(&line).split("(Span").next().unwrap_or(&line)
                );
            }
        }
        for (name, schedule) in set.schedules.iter().filter(|_| path == "shared.rules") {
            text += &format!("schedule {name} {schedule:#?}\n");
        }
        text += &rendered(&warnings, &set.sources);
        insta::with_settings!({ snapshot_path => &folder, prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, text);
        });
    }
}
