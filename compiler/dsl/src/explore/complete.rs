//! What could stand at a place. The text in front of it decides, for what is being typed seldom parses.

use super::Exploration;
use crate::reference::{CONTRACTS, EXPECTATIONS, KEYWORDS, OperatorEntry, builtin_functions, operator, term_functions};
use qcc_diag::FileId;
use qcc_ops::registry;

/// Something that could stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is inserted.
    pub text: String,
    /// What it is.
    pub kind: CompletionKind,
    /// A signature or a type.
    pub detail: String,
    /// Words about it.
    pub doc: String,
}

/// What a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as they are written")]
pub enum CompletionKind {
    Operator,
    Attribute,
    Function,
    Class,
    Rule,
    Ruleset,
    Keyword,
}

/// What could stand at a byte of a file.
pub fn completions(exploration: &Exploration, file: FileId, offset: u32) -> Vec<Completion> {
    let text = exploration.sources.text(file);
    let Some(before) = text.get(..offset as usize) else { return Vec::new() };
    let word = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').map_or(0, |i| i + 1);
    let head = &before[..word];
    let line = head.rsplit('\n').next().unwrap_or("");
    if line.contains("//") {
        return Vec::new();
    }
    let last = line.split_whitespace().next_back().unwrap_or("");
    let index = file.0 as usize;
    if head.ends_with('@') && line.trim() == "@" {
        return CONTRACTS
            .iter()
            .map(|(name, doc)| completion(*name, CompletionKind::Keyword, "contract", *doc))
            .collect();
    }
    if last == "expect" || (line.trim_start().starts_with("expect ") && head.trim_end().ends_with(',')) {
        return EXPECTATIONS
            .iter()
            .map(|(text, doc)| completion(*text, CompletionKind::Keyword, "expectation", *doc))
            .collect();
    }
    if last == "fired" || last == "blocked" {
        return rules(exploration);
    }
    if last == "in" && line.trim_start().starts_with("rule ") {
        return rulesets(exploration);
    }
    match enclosing(head) {
        Some(Enclosing::Attributes(op)) if !line.trim_end().ends_with(':') => {
            if let Some((_, def)) = exploration.scope().def(index, op) {
                return defined_attributes(def, head);
            }
            return operator_of(exploration, index, op).map_or(Vec::new(), |entry| attributes(&entry, head));
        }
        Some(Enclosing::Import(domain)) => {
            let wanted = registry().map(operator).filter(|entry| entry.domain == domain);
            return wanted.map(|entry| operator_completion(&entry)).collect();
        }
        Some(Enclosing::Steps) => return rulesets(exploration),
        _ => {}
    }
    if head.ends_with(':') && !line.trim_start().starts_with("rule ") {
        return classes(exploration);
    }
    if line.trim().is_empty() && !head.ends_with(' ') {
        return KEYWORDS.iter().map(|word| completion(*word, CompletionKind::Keyword, "", "")).collect();
    }
    names(exploration, index)
}

fn completion(
    text: impl Into<String>,
    kind: CompletionKind,
    detail: impl Into<String>,
    doc: impl Into<String>,
) -> Completion {
    Completion { text: text.into(), kind, detail: detail.into(), doc: doc.into() }
}

/// What the nearest open bracket belongs to.
enum Enclosing<'t> {
    /// `Op(…) {`.
    Attributes(&'t str),
    /// `import onnx::{`.
    Import(&'t str),
    /// `saturate(` or `run(`.
    Steps,
}

fn enclosing(head: &str) -> Option<Enclosing<'_>> {
    let open = open_bracket(head)?;
    let front = head[..open].trim_end();
    if head[open..].starts_with('{') {
        if let Some(front) = front.strip_suffix("::") {
            return Some(Enclosing::Import(last_word(front)));
        }
        let arguments = open_bracket(front.strip_suffix(')')?)?;
        return Some(Enclosing::Attributes(last_word(head[..arguments].trim_end())));
    }
    matches!(last_word(front), "saturate" | "run").then_some(Enclosing::Steps)
}

/// The last bracket that is open at the end of a text, within its item.
fn open_bracket(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text.char_indices().rev() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' if depth == 0 => return Some(i),
            '(' | '[' | '{' => depth -= 1,
            '\n' if depth == 0 && ["rule ", "test ", "fn ", "pred "].iter().any(|w| text[i + 1..].starts_with(w)) => {
                return None;
            }
            _ => {}
        }
    }
    None
}

fn last_word(text: &str) -> &str {
    let start = text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |i| i + 1);
    &text[start..]
}

fn operator_of(exploration: &Exploration, file: usize, name: &str) -> Option<OperatorEntry> {
    let visible = exploration.scope().visible_op(file, name);
    // While an item is being typed its imports may not be there yet.
    visible.or_else(|| registry().find(|op| op.name == name)).map(operator)
}

/// The attributes that are not named yet, and what stands for the others.
fn attributes(entry: &OperatorEntry, head: &str) -> Vec<Completion> {
    let missing = entry.attributes.iter().filter(|attribute| !named(head, attribute.name));
    missing
        .map(|attribute| {
            let doc = format!("default: {}", attribute.default);
            completion(attribute.name, CompletionKind::Attribute, attribute.kind, doc)
        })
        .collect()
}

/// The attributes of an operator that is defined by others.
fn defined_attributes(def: &crate::ast::Def, head: &str) -> Vec<Completion> {
    let missing = def.attributes.iter().filter(|attribute| !named(head, &attribute.name.text));
    missing
        .map(|attribute| {
            let kind = crate::resolve::attribute_type(attribute.kind);
            completion(&attribute.name.text, CompletionKind::Attribute, kind, "")
        })
        .collect()
}

/// Whether an attribute is named already in the braces that are open.
fn named(head: &str, name: &str) -> bool {
    let written = open_bracket(head).map_or("", |open| &head[open + 1..]);
    written.split(',').any(|part| part.split(':').next().is_some_and(|n| n.trim() == name))
}

fn operator_completion(entry: &OperatorEntry) -> Completion {
    completion(entry.op.name, CompletionKind::Operator, &entry.signature, entry.op.doc)
}

fn rules(exploration: &Exploration) -> Vec<Completion> {
    let rules = exploration.files.iter().flat_map(|file| &file.ast.rules);
    rules
        .map(|rule| completion(&rule.name.text, CompletionKind::Rule, format!("in {}", rule.ruleset.text), &rule.doc))
        .collect()
}

fn rulesets(exploration: &Exploration) -> Vec<Completion> {
    let mut names: Vec<&str> =
        exploration.files.iter().flat_map(|f| &f.ast.rules).map(|rule| rule.ruleset.text.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| completion(name, CompletionKind::Ruleset, "ruleset", "")).collect()
}

fn classes(exploration: &Exploration) -> Vec<Completion> {
    let classes = exploration.files.iter().flat_map(|file| &file.ast.classes);
    let detail = |class: &crate::ast::Class| {
        class.members.iter().map(|member| member.text.as_str()).collect::<Vec<_>>().join(", ")
    };
    let any = completion("any", CompletionKind::Class, "all operators with one output", "");
    classes.map(|class| completion(&class.name.text, CompletionKind::Class, detail(class), "")).chain([any]).collect()
}

/// Operators, functions, and the names of the item.
fn names(exploration: &Exploration, file: usize) -> Vec<Completion> {
    let scope = exploration.scope();
    let mut result: Vec<Completion> = scope
        .visible_ops(file)
        .map(|(name, op)| Completion { text: name.to_string(), ..operator_completion(&operator(op)) })
        .collect();
    result.extend(
        builtin_functions()
            .into_iter()
            .chain(term_functions())
            .map(|entry| completion(entry.name, CompletionKind::Function, entry.signature, entry.doc)),
    );
    let functions = scope.functions(file).map(|name| completion(name, CompletionKind::Function, "of a file", ""));
    result.extend(functions);
    let defined = scope.defs(file).map(|def| {
        let inputs: Vec<&str> = def.parameters.iter().map(|p| p.text.as_str()).collect();
        let signature = format!("{}({})", def.name.text, inputs.join(", "));
        completion(&def.name.text, CompletionKind::Operator, signature, &def.doc)
    });
    result.extend(defined);
    result
}
