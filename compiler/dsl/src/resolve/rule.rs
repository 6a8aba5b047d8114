//! One rule: left sides, `where` constants, conditions, right sides.

use super::calls::counted;
use super::context::{Env, Hints, RuleContext, UNREADABLE};
use crate::ast::{self, ContractValue, Name};
use crate::scope::Scope;
use crate::{Contract, Expr, Guard, Let, Meta, MetaOp, Pattern, Rule, VarKind, check};
use indexmap::{IndexMap, IndexSet};
use qcc_diag::{Diagnostic, Severity, SourceMap};

/// What all rules of a file share.
pub(crate) struct RuleFile<'a, 'd> {
    pub scope: &'d Scope<'a>,
    pub sources: &'d SourceMap,
    pub file: usize,
    pub module: &'d str,
}

/// Which way a rule is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Reverse,
}

/// The rules that the text of one means: two for `<=>`. Rules with errors are reported and left out.
pub(super) fn rules(file: &RuleFile<'_, '_>, rule: &ast::Rule, diagnostics: &mut Vec<Diagnostic>) -> Vec<Rule> {
    let contract = contract(rule, diagnostics);
    if rule.doc.trim().is_empty() {
        let diagnostic = Diagnostic::error("missing-doc", format!("`{}` does not say what it does", rule.name.text));
        let help = "write a line `/// …` above it";
        diagnostics.push(diagnostic.label(rule.name.span, "no doc line").help(help));
    }
    if rule.left.len() != rule.right.len() {
        let message = format!(
            "{} on the left, {} on the right",
            counted(rule.left.len(), "term"),
            counted(rule.right.len(), "term")
        );
        let diagnostic = Diagnostic::error("wrong-arguments", message).label(rule.name.span, "in this rule");
        diagnostics.push(diagnostic.help("every root of the left side is replaced by one term"));
        return Vec::new();
    }
    let reversible = !rule.both_ways || sides_agree(file, rule, diagnostics);
    let forward = resolve(file, rule, Way::Forward, contract.clone(), diagnostics);
    let reverse = (rule.both_ways && reversible).then(|| resolve(file, rule, Way::Reverse, contract, diagnostics));
    forward.into_iter().chain(reverse.flatten()).collect()
}

/// Whether both sides of a `<=>` are patterns that bind the same variables; reports if not.
fn sides_agree(file: &RuleFile<'_, '_>, rule: &ast::Rule, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let before = diagnostics.len();
    let mut sides = Vec::new();
    for side in [&rule.left, &rule.right] {
        let mut cx = context(file, rule, diagnostics);
        side.iter().for_each(|side| {
            cx.root(side);
        });
        sides.push(cx.vars);
    }
    let (Some(right), Some(left)) = (sides.pop(), sides.pop()) else { return false };
    if diagnostics.len() == before {
        check::variables::same_on_both_sides(&left, &right, diagnostics);
    }
    diagnostics.len() == before
}

fn context<'a, 'd>(
    file: &RuleFile<'a, 'd>,
    rule: &'d ast::Rule,
    diagnostics: &'d mut Vec<Diagnostic>,
) -> RuleContext<'a, 'd> {
    let mut hints = Hints { both_ways: rule.both_ways, ..Hints::default() };
    if rule.both_ways {
        rule.left.iter().chain(&rule.right).for_each(|side| hints.collect(&side.term));
    }
    let first_diagnostic = diagnostics.len();
    RuleContext {
        scope: file.scope,
        sources: file.sources,
        file: file.file,
        diagnostics,
        vars: Vec::new(),
        names: IndexMap::new(),
        uses: Vec::new(),
        classes: IndexMap::new(),
        attr_kinds: IndexMap::new(),
        bundles: IndexMap::new(),
        aliases: IndexMap::new(),
        used_aliases: IndexSet::new(),
        lets: Vec::new(),
        implied: Vec::new(),
        hints,
        expansions: 0,
        probes: Default::default(),
        first_diagnostic,
        too_large: false,
    }
}

fn contract(rule: &ast::Rule, diagnostics: &mut Vec<Diagnostic>) -> Option<Contract> {
    let Some(contract) = &rule.contract else {
        let message = format!("`{}` does not say what it promises", rule.name.text);
        let diagnostic = Diagnostic::error("missing-contract", message).label(rule.name.span, "no contract");
        let help = "write `@exact`, `@real`, `@lsb(1)` or `@lossy(\"reason\")` above it";
        diagnostics.push(diagnostic.help(help));
        return None;
    };
    let (help, found) = match (contract.name.text.as_str(), &contract.value) {
        ("exact", None) => return Some(Contract::Exact),
        ("real", None) => return Some(Contract::Real { ulp: None }),
        ("real", Some(ContractValue::Ulp(n))) => return Some(Contract::Real { ulp: Some(*n) }),
        ("lsb", Some(ContractValue::Steps(n))) => return Some(Contract::Lsb(*n)),
        ("lossy", Some(ContractValue::Reason(text))) => return Some(Contract::Lossy(text.clone())),
        ("exact", _) => ("it is `@exact`", "exact"),
        ("real", _) => ("it is `@real` or `@real(ulp = 16)`", "real"),
        ("lsb", _) => ("it is `@lsb(1)`: at most one quantization step", "lsb"),
        (other, _) => ("it is `@lossy(\"reason\")`", other),
    };
    let diagnostic = Diagnostic::error("wrong-contract", format!("`@{found}` is not written like this"));
    diagnostics.push(diagnostic.label(contract.span, "this contract").help(help));
    None
}

fn resolve(
    file: &RuleFile<'_, '_>,
    rule: &ast::Rule,
    way: Way,
    contract: Option<Contract>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Rule> {
    let before = diagnostics.len();
    let mut cx = context(file, rule, diagnostics);
    let (left, right) = if way == Way::Forward { (&rule.left, &rule.right) } else { (&rule.right, &rule.left) };
    let roots: Vec<Option<Pattern>> = left.iter().map(|side| cx.root(side)).collect();
    rule.bindings.iter().for_each(|(name, term)| cx.binding(name, term));
    let mut guards = cx.implied.clone();
    let written: Vec<Option<Guard>> = rule.guards.iter().map(|guard| cx.guard(guard)).collect();
    let complete = written.iter().all(Option::is_some);
    guards.extend(written.into_iter().flatten());
    let results: Vec<Option<Expr>> = right.iter().map(|side| cx.result(side)).collect();
    let roots_named = left.iter().filter(|_| left.len() > 1).filter_map(|side| side.name.as_ref());
    let mut exempt: Vec<&str> = roots_named.map(|n| n.text.as_str()).collect();
    if rule.both_ways {
        // A variable of one side only is reported as such.
        left.iter().for_each(|side| side.term.names(&mut exempt));
    }
    if cx.diagnostics.len() > before {
        // What could not be read does not count; what is written somewhere is taken as used.
        mentioned(rule, way).into_iter().for_each(|name| exempt.push(name));
    }
    check::variables::unused(&mut cx, &exempt);
    let RuleContext { vars, lets, .. } = cx;
    let reverse = way == Way::Reverse || rule.name.text.ends_with("/reverse");
    let suffix = if way == Way::Reverse { "/reverse" } else { "" };
    let mut resolved = Rule {
        name: format!("{}{suffix}", rule.name.text),
        module: file.module.to_string(),
        ruleset: rule.ruleset.text.clone(),
        doc: rule.doc.clone(),
        contract: contract?,
        vars,
        roots: roots.into_iter().collect::<Option<_>>()?,
        lets,
        guards,
        results: results.into_iter().collect::<Option<_>>()?,
        reverse,
        span: rule.span,
    };
    if !complete || diagnostics.len() > before {
        return None;
    }
    check::rule(&mut resolved, rule.name.span, diagnostics);
    diagnostics[before..].iter().all(|d| d.severity == Severity::Warning).then_some(resolved)
}

/// All names that stand anywhere but on the left side.
fn mentioned(rule: &ast::Rule, way: Way) -> Vec<&str> {
    let right = if way == Way::Forward { &rule.right } else { &rule.left };
    let mut names = Vec::new();
    let terms = right.iter().map(|side| &side.term).chain(rule.bindings.iter().map(|(_, term)| term));
    terms.chain(rule.guards.iter().flat_map(|g| &g.conditions)).for_each(|term| term.names(&mut names));
    names
}

impl<'d> RuleContext<'_, 'd> {
    /// A left side: an operator call, perhaps with a name.
    fn root(&mut self, side: &ast::Side) -> Option<Pattern> {
        let name = side.name.as_ref().map(|name| self.bind(name, VarKind::Value));
        let pattern = self.pattern(&side.term)?;
        let mut inner = &pattern;
        while let Pattern::Bind(_, next) = inner {
            inner = next;
        }
        if !matches!(inner, Pattern::Op(_)) {
            let message = "the left side must be an operator call".to_string();
            return self.fail("not-a-pattern", message, side.term.span, "matches anything", "");
        }
        match name {
            Some(id) => Some(Pattern::Bind(id?, Box::new(pattern))),
            None => Some(pattern),
        }
    }

    fn result(&mut self, side: &'d ast::Side) -> Option<Expr> {
        if let Some(name) = &side.name {
            let message = "right sides have no names".to_string();
            return self.fail("not-a-term", message, name.span, "a name", "the order says which root a term replaces");
        }
        match self.expr(&side.term, Env::default())? {
            Expr::Number(_) | Expr::Absent => {
                let message = "the right side is no tensor".to_string();
                self.fail("wrong-kind", message, side.term.span, "a tensor is needed", "write `scalar(x, dtype(y))`")
            }
            other => Some(other),
        }
    }

    /// `where name = term`: a computed constant, or a number or list that is expanded in place.
    fn binding(&mut self, name: &Name, term: &'d ast::Term) {
        if !self.is_tensor(term, Env::default()) {
            let bound = self.names.contains_key(&name.text) || self.aliases.contains_key(&name.text);
            if bound {
                let message = format!("`{}` is bound already", name.text);
                self.fail::<()>("duplicate-name", message, name.span, "bound again", "use another name");
                return;
            }
            // Read once where it is defined, so that its errors are reported even if it is not used.
            let readable = self.meta(term, Env::default()).is_some();
            self.aliases.insert(name.text.clone(), (if readable { term } else { &UNREADABLE }, name.span));
            return;
        }
        let value = self.expr(term, Env::default());
        let Some(var) = self.bind(name, VarKind::Let) else { return };
        if let Some(Expr::Absent) = value {
            self.fail::<()>("wrong-kind", "this is no tensor".to_string(), term.span, "a tensor is needed", "");
        }
        if let Some(value) = value {
            self.lets.push(Let { var, value });
        }
    }

    fn guard(&mut self, guard: &'d ast::Guard) -> Option<Guard> {
        let conditions: Vec<Option<Meta>> = guard.conditions.iter().map(|term| self.condition(term)).collect();
        let mut conditions = conditions.into_iter().collect::<Option<Vec<_>>>()?.into_iter();
        let first = conditions.next()?;
        let condition = conditions.fold(first, |a, b| Meta::Binary(MetaOp::And, Box::new(a), Box::new(b)));
        let text = || {
            let texts = guard.conditions.iter().map(|term| self.sources.slice(term.span));
            let texts: Vec<String> = texts.map(|t| t.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            texts.join(", ")
        };
        let reason = guard.reason.clone().unwrap_or_else(text);
        Some(Guard { condition, reason, span: guard.span })
    }
}
