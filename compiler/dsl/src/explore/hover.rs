//! What stands at a place: where it is defined, and what is to be said about it.

use super::Exploration;
use super::place::{Item, Place, What, places};
use crate::ast::{self, Argument, Call, Contract, ContractValue, Def, DefAttr, Rest, Rule, Term, TermKind, Test};
use crate::builtins;
use crate::check::typing;
use crate::reference::{CONTRACTS, OperatorEntry, builtin_function, operator, term_functions};
use crate::resolve::attribute_type;
use crate::scope::Scope;
use qcc_diag::{FileId, SourceMap, Span};
use qcc_ops::Op;

/// A name in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Where it stands.
    pub span: Span,
    /// Where it is defined, if that is in a file; the start of a file for an import of it.
    pub definition: Option<Span>,
    /// What is to be said about it, as Markdown.
    pub words: String,
}

/// The name at a byte of a file.
pub fn symbol_at(exploration: &Exploration, file: FileId, offset: u32) -> Option<Symbol> {
    let index = file.0 as usize;
    let ast = &exploration.files.get(index)?.ast;
    let here = places(ast);
    let place = here
        .iter()
        .filter(|p| p.span.start <= offset && offset <= p.span.end)
        .min_by_key(|p| (p.span.end - p.span.start, p.span.start))?;
    let asked = Asked { exploration, scope: exploration.scope(), file: index };
    let (definition, words) = asked.about(place, &here)?;
    Some(Symbol { span: place.span, definition, words })
}

struct Asked<'a> {
    exploration: &'a Exploration,
    scope: Scope<'a>,
    file: usize,
}

/// Where something is defined, and words about it.
type Answer = (Option<Span>, String);

impl<'a> Asked<'a> {
    fn about(&self, place: &Place<'a>, here: &[Place<'a>]) -> Option<Answer> {
        match place.what {
            What::Rule(name) => self.rule(name),
            What::Ruleset(name) => Some((None, self.ruleset(name))),
            What::Member(name) => self.class(name).or_else(|| self.op(name)),
            What::Op(name) => self.op(name),
            What::Function(name) => self.function(name),
            What::Attribute(name, callee) if self.scope.def(self.file, callee).is_some() => {
                let (_, def) = self.scope.def(self.file, callee)?;
                let attribute = def.attributes.iter().find(|a| a.name.text == name)?;
                let words = attribute_words(attribute, &self.exploration.sources, &def.name.text);
                Some((Some(attribute.name.span), words))
            }
            What::Attribute(name, callee) => {
                let entry = self.operator(callee)?;
                let attribute = entry.attributes.iter().find(|a| a.name == name)?;
                Some((
                    None,
                    format!("`{name}: {}` of {}; default: {}", attribute.kind, entry.op.name, attribute.default),
                ))
            }
            What::File(path) => self.import(path),
            What::Contract(contract) => Some((None, contract_words(contract)?)),
            What::Name(name, item) => self.name(name, item, here),
        }
    }

    fn name(&self, name: &str, item: Item<'a>, here: &[Place<'a>]) -> Option<Answer> {
        let own = |what: &What<'_>| match (what, item) {
            (What::Name(n, Item::Rule(a)), Item::Rule(b)) => *n == name && a.span == b.span,
            (What::Name(n, Item::Function(a)), Item::Function(b)) => *n == name && a.name.span == b.name.span,
            (What::Name(n, Item::Test(a)), Item::Test(b)) => *n == name && a.span == b.span,
            (What::Name(n, Item::Def(a)), Item::Def(b)) => *n == name && a.span == b.span,
            _ => false,
        };
        let first = here.iter().filter(|p| own(&p.what)).map(|p| p.span).min_by_key(|span| span.start);
        let role = match item {
            Item::Rule(rule) => self.role(rule, name).map(|role| format!("`{name}`: {role}")),
            Item::Function(function) if function.parameters.iter().any(|p| p.text == name) => {
                Some(format!("`{name}`: a parameter of `{}`", function.name.text))
            }
            Item::Function(_) => None,
            Item::Test(test) => self.value(test, name),
            Item::Def(def) => self.of_definition(def, name),
        };
        if let Some(words) = role {
            return Some((first, words));
        }
        if let Some(answer) = self.function(name) {
            return Some(answer);
        }
        if name == "acc" {
            return Some((
                None,
                "`acc`: the accumulator, the value of the core that the nearest `Fused(core, body)` binds".into(),
            ));
        }
        if let Some(builtin) = builtins::find(name) {
            let entry = builtin_function(builtin.1);
            return Some((None, format!("```rules\n{}\n```\n{}", entry.signature, entry.doc)));
        }
        if let Some(entry) = term_functions().into_iter().find(|entry| entry.name == name) {
            return Some((None, format!("```rules\n{}\n```\n{}", entry.signature, entry.doc)));
        }
        self.op(name)
    }

    /// What a name is in the definition of an operator.
    fn of_definition(&self, def: &Def, name: &str) -> Option<String> {
        if def.parameters.iter().any(|p| p.text == name) {
            return Some(format!("`{name}`: an input of `{}`", def.name.text));
        }
        let attribute = def.attributes.iter().find(|a| a.name.text == name)?;
        Some(attribute_words(attribute, &self.exploration.sources, &def.name.text))
    }

    /// An operator that is defined by others.
    fn definition(&self, name: &str) -> Option<Answer> {
        let (_, def) = self.scope.def(self.file, name)?;
        let text = self.exploration.sources.text(def.name.span.file);
        let start = text[..def.name.span.start as usize].rfind('\n').map_or(0, |i| i + 1);
        let written = &text[start..def.body.span.end as usize];
        Some((Some(def.name.span), format!("```rules\n{written}\n```\n{}", def.doc)))
    }

    fn operator(&self, name: &str) -> Option<OperatorEntry> {
        let op: Op = self.scope.visible_op(self.file, name).or_else(|| Scope::lower_case_op(name))?;
        Some(operator(op))
    }

    fn op(&self, name: &str) -> Option<Answer> {
        if let Some(answer) = self.definition(name) {
            return Some(answer);
        }
        let entry = self.operator(name)?;
        let mut words = format!("```rules\n{}\n```\n`{}` · {}\n", entry.signature, entry.domain, entry.op.doc);
        for attribute in &entry.attributes {
            words += &format!("\n- `{}: {}`, default: {}", attribute.name, attribute.kind, attribute.default);
        }
        Some((None, words))
    }

    fn rule(&self, name: &str) -> Option<Answer> {
        let base = name.strip_suffix("/reverse").unwrap_or(name);
        let rule = self.exploration.files.iter().flat_map(|f| &f.ast.rules).find(|rule| rule.name.text == base)?;
        let contract =
            rule.contract.as_ref().map_or(String::new(), |c| format!("{}\n", self.exploration.sources.slice(c.span)));
        let words = format!("```rules\n{contract}rule {base} in {}\n```\n{}", rule.ruleset.text, rule.doc);
        let reasons: Vec<&str> = rule.guards.iter().filter_map(|guard| guard.reason.as_deref()).collect();
        let blocked = reasons.iter().map(|reason| format!("\n- blocked \"{reason}\"")).collect::<String>();
        let blocked = if blocked.is_empty() { blocked } else { format!("\n{blocked}") };
        Some((Some(rule.name.span), format!("{words}{blocked}")))
    }

    fn ruleset(&self, name: &str) -> String {
        let rules = self.exploration.files.iter().flat_map(|f| &f.ast.rules).filter(|r| r.ruleset.text == name);
        let names: Vec<String> = rules.map(|r| format!("`{}`", r.name.text)).collect();
        format!("ruleset `{name}` of {} rules: {}", names.len(), names.join(", "))
    }

    fn class(&self, name: &str) -> Option<Answer> {
        if name == "any" {
            return Some((None, "`any`: all operators with one output".to_string()));
        }
        let (home, class) = self.scope.declared_class(name)?;
        let members: Vec<&str> = class.members.iter().map(|m| m.text.as_str()).collect();
        let doc = self.doc_above(home, class.name.span);
        Some((Some(class.name.span), format!("```rules\nclass {name} {{ {} }}\n```\n{doc}", members.join(", "))))
    }

    fn function(&self, name: &str) -> Option<Answer> {
        let (home, function) = self.scope.function(self.file, name)?;
        let span = function.name.span;
        let text = self.exploration.sources.text(span.file);
        let line = text[..span.start as usize].rfind('\n').map_or(0, |i| i + 1);
        let body = &text[line..function.body.span.end as usize];
        Some((Some(span), format!("```rules\n{body}\n```\n{}", self.doc_above(home, span))))
    }

    /// The doc lines above the line of a declaration.
    fn doc_above(&self, file: usize, span: Span) -> String {
        let text = self.exploration.sources.text(FileId(file as u32));
        let line = text[..span.start as usize].rfind('\n').unwrap_or(0);
        let above = text[..line].lines().rev().take_while(|line| line.starts_with("///"));
        let mut lines: Vec<&str> = above.map(|line| line.trim_start_matches("///").trim()).collect();
        lines.reverse();
        lines.join("\n")
    }

    fn import(&self, path: &str) -> Option<Answer> {
        let loaded = self.exploration.files.get(self.file)?;
        let wanted = path.rsplit('/').next().unwrap_or(path);
        let target = loaded
            .imports
            .iter()
            .copied()
            .find(|&i| self.exploration.files[i].path.rsplit('/').next() == Some(wanted))?;
        let file = &self.exploration.files[target];
        let start = Span { file: FileId(target as u32), start: 0, end: 0 };
        Some((Some(start), format!("`{}`\n\n{}", file.path, file.ast.doc)))
    }

    /// How a rule binds a variable.
    fn role(&self, rule: &Rule, name: &str) -> Option<String> {
        if let Some((_, value)) = rule.bindings.iter().find(|(n, _)| n.text == name) {
            return Some(format!("a computed constant, `{}`", self.exploration.sources.slice(value.span)));
        }
        if let Some(side) = rule.left.iter().find(|side| side.name.as_ref().is_some_and(|n| n.text == name)) {
            return Some(format!("the value `{}`", self.exploration.sources.slice(side.term.span)));
        }
        rule.left.iter().chain(&rule.right).find_map(|side| self.role_in(&side.term, name))
    }

    fn role_in(&self, term: &Term, name: &str) -> Option<String> {
        match &term.kind {
            TermKind::Bind(bound, inner) if bound.text == name => {
                Some(format!("the value `{}`", self.exploration.sources.slice(inner.span)))
            }
            TermKind::Typed(bound, dtype) if bound.text == name => Some(format!("a value of element type {dtype}")),
            TermKind::Name(found) if found == name && self.scope.function(self.file, name).is_none() => {
                Some("a value".to_string())
            }
            TermKind::Bind(_, inner) | TermKind::Neg(inner) => self.role_in(inner, name),
            TermKind::Binary(_, a, b) => self.role_in(a, name).or_else(|| self.role_in(b, name)),
            TermKind::Field(inner, _) => self.role_in(inner, name),
            TermKind::Call(call) => self.role_in_call(call, name),
            _ => None,
        }
    }

    fn role_in_call(&self, call: &Call, name: &str) -> Option<String> {
        if let (true, Some(class)) = (call.callee.text == name, &call.class) {
            let class = match class {
                ast::ClassRef::Named(class) => format!("the class `{}`", class.text),
                ast::ClassRef::Members(members) => {
                    members.iter().map(|m| m.text.as_str()).collect::<Vec<_>>().join(" or ")
                }
            };
            return Some(format!("the operator that matched, of {class}"));
        }
        let entry = self.operator(&call.callee.text);
        let op = call.callee.text.as_str();
        let input = |i: usize| {
            let param = entry.as_ref().and_then(|e| e.op.inputs.get(i));
            param.map_or(format!("of `{op}`"), |param| format!("`{}` of `{op}`", param.name))
        };
        for (i, argument) in call.arguments.iter().enumerate() {
            let role = match argument {
                Argument::One(Term { kind: TermKind::Name(found), .. }) if found == name => {
                    Some(format!("the input {}", input(i)))
                }
                Argument::One(term) => self.role_in(term, name),
                Argument::Optional(found) if found.text == name => {
                    Some(format!("the input {}, which may be absent", input(i)))
                }
                Argument::Spread(found) if found.text == name => Some(format!("all remaining inputs of `{op}`")),
                Argument::Each { element, over, .. } if element.text == name => {
                    Some(format!("each of `{}`", over.text))
                }
                Argument::Each { body, .. } => self.role_in(body, name),
                _ => None,
            };
            if role.is_some() {
                return role;
            }
        }
        let attributes = call.attributes.as_ref()?;
        if matches!(&attributes.rest, Some(Rest::Bind(found)) if found.text == name) {
            return Some(format!("the attributes of `{op}` that are not named"));
        }
        attributes.named.iter().find_map(|(attribute, value)| match &value.kind {
            TermKind::Name(found) if found == name => {
                let kind = entry.as_ref().and_then(|e| e.attributes.iter().find(|a| a.name == attribute.text));
                let kind = kind.map_or(String::new(), |a| format!(" ({})", a.kind));
                Some(format!("the attribute `{}`{kind} of `{op}`", attribute.text))
            }
            _ => None,
        })
    }

    /// The type of a value of a test's graph.
    fn value(&self, test: &Test, name: &str) -> Option<String> {
        if let Some((_, dtype, shape)) = test.inputs.iter().find(|(n, ..)| n.text == name) {
            return Some(format!("`{name}: {}`, an input", qcc_tensor::TensorType::new(*dtype, shape.iter().copied())));
        }
        let (names, value) = test.statements.iter().find(|(names, _)| names.iter().any(|n| n.text == name))?;
        let output = names.iter().position(|n| n.text == name)?;
        let resolved = self.exploration.rules.tests.iter().find(|t| t.span == test.span);
        let ty = resolved.and_then(|resolved| {
            let node = resolved.graph.nodes.iter().position(|node| node.span == value.span)?;
            let (types, _) = typing::types(&resolved.graph);
            types.get(node)?.get(output).cloned()
        });
        Some(ty.map_or(format!("`{name}`"), |ty| format!("`{name}: {ty}`")))
    }
}

fn attribute_words(attribute: &DefAttr, sources: &SourceMap, operator: &str) -> String {
    let kind = attribute_type(attribute.kind);
    let default = attribute.default.as_ref().map_or("must be given", |term| sources.slice(term.span));
    format!("`{}: {kind}` of {operator}; default: {default}", attribute.name.text)
}

fn contract_words(contract: &Contract) -> Option<String> {
    let (name, words) = CONTRACTS.iter().find(|(name, _)| *name == contract.name.text)?;
    let value = match &contract.value {
        None => String::new(),
        Some(ContractValue::Ulp(n)) => format!("(ulp = {n})"),
        Some(ContractValue::Steps(n)) => format!("({n})"),
        Some(ContractValue::Reason(reason)) => format!("({reason:?})"),
    };
    Some(format!("`@{name}{value}`: {words}"))
}
