//! Which names a module sees.

use crate::ast::{self, ClassRef, Name};
use crate::builtins;
use crate::load::Loaded;
use indexmap::IndexMap;
use qcc_diag::nearest;
use qcc_diag::{Diagnostic, Span};
use qcc_ops::{Arity, Op, registry};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The names of all modules.
pub(crate) struct Scope<'a> {
    modules: Vec<Visible>,
    /// Classes with the file that declares them.
    classes: IndexMap<&'a str, (usize, &'a ast::Class)>,
    /// Functions and predicates with the file that declares them.
    functions: IndexMap<&'a str, (usize, &'a ast::Function)>,
    /// Definitions of operators with the file that declares them.
    defs: IndexMap<&'a str, (usize, &'a ast::Def)>,
}

/// What one module sees.
struct Visible {
    /// Operators by local name.
    ops: IndexMap<String, Op>,
    /// The file itself and all it imports, directly or not.
    files: BTreeSet<usize>,
}

/// Domain of operators by its name in imports.
fn domain(name: &str) -> Option<&'static str> {
    match name {
        "onnx" => Some(""),
        "qcc" => Some("qcc"),
        _ => None,
    }
}

impl<'a> Scope<'a> {
    /// Collects the names of all files; reports what is declared twice or imported in vain.
    pub(crate) fn new(files: &'a [Loaded], diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut scope =
            Scope { modules: Vec::new(), classes: IndexMap::new(), functions: IndexMap::new(), defs: IndexMap::new() };
        for (i, file) in files.iter().enumerate() {
            let mut seen = BTreeSet::from([i]);
            let mut open = vec![i];
            while let Some(next) = open.pop() {
                open.extend(files.get(next).into_iter().flat_map(|f| &f.imports).filter(|&&f| seen.insert(f)));
            }
            scope.modules.push(Visible { ops: imported_ops(&file.ast, diagnostics), files: seen });
            for class in &file.ast.classes {
                if class.name.text == "any" {
                    let message = "`any` is the class of all operators with one output";
                    diagnostics.push(Diagnostic::error("duplicate-name", message).label(class.name.span, "rename it"));
                }
                if let Some((_, earlier)) = scope.classes.insert(&class.name.text, (i, class)) {
                    diagnostics.push(duplicate("class", &class.name, &earlier.name));
                }
            }
            for def in &file.ast.defs {
                if let Some((_, earlier)) = scope.defs.insert(&def.name.text, (i, def))
                    && earlier.domain.as_ref().map(|d| &d.text) == def.domain.as_ref().map(|d| &d.text)
                {
                    diagnostics.push(duplicate("definition", &def.name, &earlier.name));
                }
            }
            for function in &file.ast.functions {
                let name = &function.name;
                let built_in = builtins::find(&name.text).is_some()
                    || builtins::TERM_FUNCTIONS.iter().any(|(n, _)| *n == name.text);
                if built_in {
                    let message = format!("`{}` is a built-in function", name.text);
                    diagnostics.push(Diagnostic::error("duplicate-name", message).label(name.span, "rename it"));
                }
                if let Some((_, earlier)) = scope.functions.insert(&name.text, (i, function)) {
                    diagnostics.push(duplicate("function", name, &earlier.name));
                }
                for (k, parameter) in function.parameters.iter().enumerate() {
                    if let Some(earlier) = function.parameters[..k].iter().find(|p| p.text == parameter.text) {
                        diagnostics.push(duplicate("parameter", parameter, earlier));
                    }
                }
            }
        }
        scope
    }

    /// The operator of a name in a file.
    pub(crate) fn op(&self, file: usize, name: &Name, diagnostics: &mut Vec<Diagnostic>) -> Option<Op> {
        let visible = &self.modules[file].ops;
        if let Some(op) = visible.get(&name.text) {
            return Some(*op);
        }
        let mut diagnostic = Diagnostic::error("unknown-op", format!("there is no operator `{}`", name.text));
        diagnostic = diagnostic.label(name.span, "not known here");
        diagnostics.push(match qcc_ops::find(&name.text) {
            Some(op) => {
                let domain = if op.domain.is_empty() { "onnx" } else { op.domain };
                diagnostic.help(format!("it must be imported: `import {domain}::{{{}}}`", op.name))
            }
            None if self.defs.contains_key(name.text.as_str()) => diagnostic.help(
                "it is defined by others (`def`) in a file that is not imported, or used where only an operator can be",
            ),
            None => match nearest(&name.text, registry().map(|op| op.name).chain(visible.keys().map(String::as_str))) {
                Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
                None => diagnostic,
            },
        });
        None
    }

    /// The operator of a name in a file, if there is one.
    pub(crate) fn visible_op(&self, file: usize, name: &str) -> Option<Op> {
        self.modules.get(file)?.ops.get(name).copied()
    }

    /// All operators a file sees, by their local names.
    pub(crate) fn visible_ops(&self, file: usize) -> impl Iterator<Item = (&str, Op)> {
        self.modules.get(file).into_iter().flat_map(|visible| &visible.ops).map(|(name, op)| (name.as_str(), *op))
    }

    /// A class by name, with the file that declares it.
    pub(crate) fn declared_class(&self, name: &str) -> Option<(usize, &'a ast::Class)> {
        self.classes.get(name).copied()
    }

    /// The operator that a lower-case name stands for in terms: `sqrt` for `Sqrt`, `hard_swish` for `HardSwish`.
    pub(crate) fn lower_case_op(name: &str) -> Option<Op> {
        lower_case().iter().find(|(n, _)| n == name).map(|(_, op)| *op)
    }

    /// A function or predicate that a file sees.
    pub(crate) fn function(&self, file: usize, name: &str) -> Option<(usize, &'a ast::Function)> {
        let (home, function) = *self.functions.get(name)?;
        self.modules[file].files.contains(&home).then_some((home, function))
    }

    /// A definition of an operator that a file sees, if its name is not that of an operator it sees.
    pub(crate) fn def(&self, file: usize, name: &str) -> Option<(usize, &'a ast::Def)> {
        let (home, def) = *self.defs.get(name)?;
        let visible = &self.modules[file];
        (visible.files.contains(&home) && !visible.ops.contains_key(name)).then_some((home, def))
    }

    /// All definitions of operators that a file sees.
    pub(crate) fn defs(&self, file: usize) -> impl Iterator<Item = &'a ast::Def> {
        let visible = &self.modules[file];
        let seen = move |(name, (home, _)): &(&&str, &(usize, _))| {
            visible.files.contains(home) && !visible.ops.contains_key(**name)
        };
        self.defs.iter().filter(seen).map(|(_, (_, def))| *def)
    }

    /// Names of all functions a file sees.
    pub(crate) fn functions(&self, file: usize) -> impl Iterator<Item = &'a str> {
        let visible = &self.modules[file].files;
        self.functions.iter().filter(move |(_, (home, _))| visible.contains(home)).map(|(name, _)| *name)
    }

    /// The operators of a class, in order and each once.
    pub(crate) fn class(&self, file: usize, class: &ClassRef, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Op>> {
        let mut ops = Vec::new();
        let members = match class {
            ClassRef::Named(name) => std::slice::from_ref(name),
            ClassRef::Members(members) => members,
        };
        let mut complete = true;
        for member in members {
            complete &= self.collect(file, member, &mut Vec::new(), &mut ops, diagnostics).is_some();
        }
        complete.then_some(ops)
    }

    fn collect(
        &self,
        file: usize,
        name: &Name,
        path: &mut Vec<Span>,
        ops: &mut Vec<Op>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<()> {
        if name.text == "any" {
            add(ops, any());
            return Some(());
        }
        if let Some(op) = self.modules[file].ops.get(&name.text) {
            add(ops, [*op]);
            return Some(());
        }
        let Some((home, class)) = self.classes.get(name.text.as_str()) else {
            self.unknown_member(file, name, diagnostics);
            return None;
        };
        if !self.modules[file].files.contains(home) {
            let message = format!("the class `{}` is declared in a file that is not imported", name.text);
            let diagnostic = Diagnostic::error("unknown-class", message).label(name.span, "not visible here");
            diagnostics.push(diagnostic.label(class.name.span, "declared here").help("import the file"));
            return None;
        }
        if path.contains(&class.name.span) {
            let message = format!("the class `{}` contains itself", name.text);
            diagnostics.push(Diagnostic::error("recursive-class", message).label(name.span, "here"));
            return None;
        }
        path.push(class.name.span);
        let mut complete = true;
        for member in &class.members {
            complete &= self.collect(*home, member, path, ops, diagnostics).is_some();
        }
        path.pop();
        complete.then_some(())
    }

    fn unknown_member(&self, file: usize, name: &Name, diagnostics: &mut Vec<Diagnostic>) {
        if name.text.starts_with(|c: char| c.is_ascii_uppercase()) {
            self.op(file, name, diagnostics);
            return;
        }
        let message = format!("there is no class `{}`", name.text);
        let diagnostic = Diagnostic::error("unknown-class", message).label(name.span, "not known");
        diagnostics.push(match nearest(&name.text, self.classes.keys().copied().chain(["any"])) {
            Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
            None => diagnostic.help("declare it: `class name { Op, … }`"),
        });
    }
}

/// All operators with a single output that can be computed on their own.
fn any() -> impl Iterator<Item = Op> {
    registry().filter(|op| {
        let (first, rest) = (op.outputs.first().map(|p| p.arity), op.outputs.get(1..).unwrap_or(&[]));
        let single = first == Some(Arity::One) && rest.iter().all(|p| p.arity == Arity::Optional);
        single && !(op.domain == "qcc" && matches!(op.name, "Acc" | "Fused"))
    })
}

/// Whether the operators are those of the class `any`.
pub(crate) fn is_any(ops: &[Op]) -> bool {
    any().eq(ops.iter().copied())
}

fn add(ops: &mut Vec<Op>, new: impl IntoIterator<Item = Op>) {
    for op in new {
        if !ops.contains(&op) {
            ops.push(op);
        }
    }
}

/// The report of a second declaration.
pub(crate) fn duplicate(what: &str, name: &Name, earlier: &Name) -> Diagnostic {
    Diagnostic::error("duplicate-name", format!("the {what} `{}` is there twice", name.text))
        .label(name.span, "again")
        .label(earlier.span, "first")
}

fn imported_ops(file: &ast::File, diagnostics: &mut Vec<Diagnostic>) -> IndexMap<String, Op> {
    let mut ops = IndexMap::new();
    for import in &file.imports {
        let name = match import {
            ast::Import::File(_) => continue,
            ast::Import::All(name) | ast::Import::Some(name, _) => name,
        };
        let Some(domain) = domain(&name.text) else {
            let message = format!("there is no domain `{}` of operators", name.text);
            let diagnostic = Diagnostic::error("unknown-import", message).label(name.span, "not known");
            diagnostics
                .push(diagnostic.help("the domains are `onnx` and `qcc`; files are imported by their path in quotes"));
            continue;
        };
        match import {
            ast::Import::Some(_, list) => {
                for (original, local) in list {
                    match qcc_ops::find_in(domain, &original.text) {
                        Some(op) => {
                            ops.insert(local.text.clone(), op);
                        }
                        None => diagnostics.push(not_in_domain(&name.text, domain, original)),
                    }
                }
            }
            _ => {
                for op in registry().filter(|op| op.domain == domain) {
                    ops.insert(op.name.to_string(), op);
                }
            }
        }
    }
    ops
}

fn not_in_domain(module: &str, domain: &str, name: &Name) -> Diagnostic {
    let message = format!("there is no operator `{}` in `{module}`", name.text);
    let diagnostic = Diagnostic::error("unknown-op", message).label(name.span, "not known");
    match nearest(&name.text, registry().filter(|op| op.domain == domain).map(|op| op.name)) {
        Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
        None => diagnostic,
    }
}

/// All lower-case names of operators.
pub(crate) fn lower_case_names<'n>() -> impl Iterator<Item = &'n str> {
    lower_case().iter().map(|(name, _)| name.as_str())
}

/// The standard operators by their lower-case names.
fn lower_case() -> &'static [(String, Op)] {
    static NAMES: OnceLock<Vec<(String, Op)>> = OnceLock::new();
    NAMES.get_or_init(|| registry().filter(|op| op.domain.is_empty()).map(|op| (snake_case(op.name), op)).collect())
}

/// `HardSwish` as `hard_swish`.
fn snake_case(name: &str) -> String {
    let mut result = String::new();
    for (i, c) in name.char_indices() {
        if c.is_ascii_uppercase() && i > 0 && !result.ends_with('_') {
            let previous_upper = name[..i].ends_with(|p: char| p.is_ascii_uppercase());
            if !previous_upper {
                result.push('_');
            }
        }
        result.push(c.to_ascii_lowercase());
    }
    result
}
