//! Chapters of the language reference, from the program's own tables.

use qcc_dsl::{BuiltinEntry, builtin_functions, term_functions};

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// All operators with their attributes.
pub(super) fn operators() -> String {
    let mut out = String::from(
        "# Operators\n\nPrinted by `qcc rules list --ops --markdown`. `b?` is an input that may be absent, `xs...` any number of inputs.\n\
         Attributes are written as `name: kind = default`.\n",
    );
    let mut domain = "";
    for entry in qcc_dsl::operators() {
        if entry.domain != domain {
            domain = entry.domain;
            out += &format!("\n## `import {domain}::*`\n\n| operator | is | attributes |\n|---|---|---|\n");
        }
        let attributes = entry.attributes.iter().map(|a| format!("`{}: {}` = {}", a.name, a.kind, a.default));
        let attributes = attributes.collect::<Vec<_>>().join("; ");
        out += &format!("| `{}` | {} | {} |\n", entry.signature, cell(entry.op.doc), cell(&attributes));
    }
    out
}

/// All built-in functions.
pub(super) fn builtins() -> String {
    let table = |title: &str, entries: Vec<BuiltinEntry>| {
        let rows = entries.iter().map(|e| format!("| `{}` | {} |\n", e.signature, cell(e.doc)));
        format!("\n## {title}\n\n| function | is |\n|---|---|\n{}", rows.collect::<String>())
    };
    let head = "# Built-in functions\n\nPrinted by `qcc rules list --builtins --markdown`.\n";
    let conditions = table("In conditions and attribute values", builtin_functions());
    format!("{head}{conditions}{}", table("On right sides", term_functions()))
}
