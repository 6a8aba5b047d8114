//! Syntax trees to rules: names find their meaning, functions and classes are expanded.

mod attributes;
mod calls;
mod context;
mod cost;
mod def;
mod defined;
mod expr;
mod meta;
mod pattern;
mod rule;
mod schedule;
mod test;

pub(crate) use context::RuleContext;
pub(crate) use def::{attribute_kind, attribute_type};

use crate::load::Loaded;
use crate::scope::{Scope, duplicate};
use crate::{Module, RuleSet, check};
use indexmap::IndexMap;
use qcc_diag::{Diagnostic, FileId, SourceMap, Span};

/// Everything that the files say, without what has errors. The sources are left to the caller.
pub(crate) fn resolve(files: &[Loaded], sources: &SourceMap, diagnostics: &mut Vec<Diagnostic>) -> RuleSet {
    let scope = Scope::new(files, diagnostics);
    let mut set = RuleSet::default();
    let modules: Vec<Module> = files.iter().enumerate().map(|(i, file)| module(i, file, diagnostics)).collect();
    let mut names = IndexMap::new();
    for name in files.iter().filter_map(|f| f.ast.module.as_ref()) {
        if let Some(earlier) = names.insert(name.text.as_str(), name) {
            diagnostics.push(duplicate("module", name, earlier));
        }
    }
    let mut declared = IndexMap::new();
    for (i, file) in files.iter().enumerate() {
        let shared = rule::RuleFile { scope: &scope, sources, file: i, module: &modules[i].name };
        for rule in &file.ast.rules {
            if let Some(earlier) = declared.insert(rule.name.text.as_str(), &rule.name) {
                diagnostics.push(duplicate("rule", &rule.name, earlier));
            }
            set.rules.extend(rule::rules(&shared, rule, diagnostics));
        }
        for function in &file.ast.functions {
            check::functions::body(&scope, i, function, diagnostics);
        }
        for def in &file.ast.defs {
            set.defs.extend(def::def(&scope, i, &modules[i].name, def, diagnostics));
        }
        for hint in &file.ast.costs {
            let Some(hint) = cost::hint(&scope, i, hint, diagnostics) else { continue };
            if let Some(earlier) = set.costs.iter().find(|earlier| earlier.op == hint.op) {
                let message = format!("the cost of {} is there twice", hint.op.name);
                let diagnostic = Diagnostic::error("duplicate-name", message).label(hint.span, "again");
                diagnostics.push(diagnostic.label(earlier.span, "first"));
            }
            set.costs.push(hint);
        }
        for name in &file.ast.commutative {
            let Some(op) = scope.op(i, name, diagnostics) else { continue };
            if op.inputs.len() != 2 {
                let message = format!("{} has not two inputs", op.name);
                diagnostics.push(Diagnostic::error("wrong-arguments", message).label(name.span, "cannot be swapped"));
            } else if !set.commutative.contains(&op) {
                set.commutative.push(op);
            }
        }
    }
    check::overlap::rules(&set.rules, &declared, diagnostics);
    for class in files.iter().enumerate().flat_map(|(i, f)| f.ast.classes.iter().map(move |c| (i, c))) {
        let (file, class) = class;
        scope.class(file, &crate::ast::ClassRef::Named(class.name.clone()), diagnostics);
    }
    let rulesets: Vec<&str> = files.iter().flat_map(|f| &f.ast.rules).map(|r| r.ruleset.text.as_str()).collect();
    let mut schedules = IndexMap::new();
    for schedule in files.iter().flat_map(|f| &f.ast.schedules) {
        if let Some(earlier) = schedules.insert(schedule.name.text.as_str(), &schedule.name) {
            diagnostics.push(duplicate("schedule", &schedule.name, earlier));
        }
        let resolved = schedule::schedule(schedule, &rulesets, diagnostics);
        set.schedules.insert(schedule.name.text.clone(), resolved);
    }
    let unread: Vec<&str> = files.iter().flat_map(|f| &f.ast.unread).map(String::as_str).collect();
    for (i, file) in files.iter().enumerate() {
        for (k, test) in file.ast.tests.iter().enumerate() {
            if let Some(earlier) = file.ast.tests[..k].iter().find(|t| t.name.text == test.name.text) {
                diagnostics.push(duplicate("test", &test.name, &earlier.name));
            }
            check::expects::test(test, &set.rules, &declared, &unread, diagnostics);
            set.tests.extend(test::test(&scope, i, &modules[i].name, test, diagnostics));
        }
    }
    set.modules = modules;
    set
}

fn module(index: usize, file: &Loaded, diagnostics: &mut Vec<Diagnostic>) -> Module {
    let stem = file.path.rsplit('/').next().unwrap_or(&file.path);
    let stem = stem.strip_suffix(".rules").unwrap_or(stem);
    let name = match &file.ast.module {
        Some(name) => name.text.clone(),
        None => {
            let diagnostic = Diagnostic::error("missing-module", format!("{} does not name its module", file.path));
            let start = Span { file: FileId(index as u32), start: 0, end: 0 };
            diagnostics.push(diagnostic.label(start, "no module").help(format!("begin it with `module {stem}`")));
            stem.to_string()
        }
    };
    Module { name, doc: file.ast.doc.clone(), path: file.path.clone() }
}
